import { sql } from 'kysely'
import type { SessionRow, SessionStore } from '../port/sessions.ts'
import type { Sql } from './sql.ts'

export function sessionStore({ db }: Sql): SessionStore {
  return {
    insert: async ({ digest, keyDigest, endpoint, may, createdAt, seenAt, expiresAt }) => {
      await db
        .insertInto('sessions')
        .values({
          digest,
          key_digest: keyDigest,
          endpoint,
          may: JSON.stringify(may),
          created_at: createdAt,
          seen_at: seenAt,
          expires_at: expiresAt,
        })
        .execute()
    },

    get: async digest => {
      const row = await db.selectFrom('sessions').selectAll().where('digest', '=', digest).executeTakeFirst()
      if (!row) return null
      return {
        digest: row.digest,
        keyDigest: row.key_digest,
        endpoint: row.endpoint,
        may: JSON.parse(row.may ?? '[]') as SessionRow['may'],
        createdAt: row.created_at,
        seenAt: row.seen_at,
        expiresAt: row.expires_at,
      }
    },

    seen: async (digest, at) => {
      await sql`update sessions set seen_at = ${at} where digest = ${digest} and seen_at < ${at}`.execute(db)
    },

    remove: async digest => {
      const { numDeletedRows } = await db.deleteFrom('sessions').where('digest', '=', digest).executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },

    removeOf: async endpoint => {
      await db.deleteFrom('sessions').where('endpoint', '=', endpoint).execute()
    },

    prune: async now => {
      await db.deleteFrom('sessions').where('expires_at', '<', now).execute()
    },
  }
}
