import { sql } from 'kysely'
import type { KeyRole, KeyStore } from '../port/keys.ts'
import type { Sql } from './sql.ts'

export function keyStore({ db }: Sql): KeyStore {
  return {
    list: async () => {
      const rows = await db.selectFrom('keys').selectAll().orderBy('created_at').orderBy('id').execute()
      return rows.map(({ id, name, role, digest, created_at, last_used_at }) => ({
        id,
        name,
        role: role as KeyRole,
        digest,
        createdAt: created_at,
        lastUsedAt: last_used_at,
      }))
    },

    insert: async ({ id, name, role, digest, createdAt, lastUsedAt }) => {
      await db
        .insertInto('keys')
        .values({ id, name, role, digest, created_at: createdAt, last_used_at: lastUsedAt })
        .execute()
    },

    remove: async id => {
      const { numDeletedRows } = await db.deleteFrom('keys').where('id', '=', id).executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },

    used: async (id, at) => {
      // Several processes write this; a process whose clock is behind must not move it back.
      await sql`
        update keys set last_used_at = ${at} where id = ${id} and (last_used_at is null or last_used_at < ${at})`.execute(
        db,
      )
    },
  }
}
