import { sql } from 'kysely'
import type { OffsetStore } from '../port/offsets.ts'
import { holdLease } from './leases.ts'
import { endOfHistory } from './repair.ts'
import type { Sql } from './sql.ts'

export function offsetStore({ db, dialect, relaxed, transaction }: Sql): OffsetStore {
  return {
    get: async (group, partition) => {
      const row = await db
        .selectFrom('offsets')
        .select('position')
        .where('group_id', '=', group)
        .where('partition', '=', partition)
        .executeTakeFirst()
      return row?.position ?? null
    },

    rewind: (group, partition) =>
      transaction(async trx => {
        const end = await endOfHistory(trx, dialect.kind)
        const { rows } = await sql<{ position: number }>`
          select position from offsets where group_id = ${group} and partition = ${partition} and position > ${end}
          ${dialect.forUpdate}`.execute(trx)
        const [found] = rows
        if (!found) return null
        await sql`update offsets set position = 0, ahead = null where group_id = ${group} and partition = ${partition}`.execute(
          trx,
        )
        return found.position
      }),

    // Relaxed: events read again are acknowledged again.
    set: (group, partition, position, lease = null, ahead = '') =>
      relaxed(async trx => {
        if (lease) await holdLease(trx, dialect, lease)
        await sql`
          insert into offsets (group_id, partition, position, ahead)
          values (${group}, ${partition}, ${position}, ${ahead || null})
          on conflict (group_id, partition) do update set position = excluded.position, ahead = excluded.ahead
          where excluded.position >= offsets.position`.execute(trx)
      }),

    ahead: async (group, partition) => {
      const row = await db
        .selectFrom('offsets')
        .select('ahead')
        .where('group_id', '=', group)
        .where('partition', '=', partition)
        .executeTakeFirst()
      return row?.ahead ?? null
    },
  }
}
