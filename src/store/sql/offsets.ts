import { sql } from 'kysely'
import type { OffsetStore } from '../port/offsets.ts'
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

    // Waits for the disk: writes of a former reader must not become valid again.
    claim: async (group, partition, epoch) => {
      const { rows } = await sql<{ position: number }>`
        insert into offsets (group_id, partition, position, epoch) values (${group}, ${partition}, 0, ${epoch})
        on conflict (group_id, partition) do update set
          epoch = case when excluded.epoch > offsets.epoch then excluded.epoch else offsets.epoch end
        returning position`.execute(db)
      return rows[0]?.position ?? 0
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
    set: (group, partition, position, epoch = 0, ahead = '') =>
      relaxed(async trx => {
        await sql`
          insert into offsets (group_id, partition, position, epoch, ahead)
          values (${group}, ${partition}, ${position}, ${epoch}, ${ahead || null})
          on conflict (group_id, partition) do update set position = excluded.position, ahead = excluded.ahead
          where excluded.position >= offsets.position and excluded.epoch >= offsets.epoch`.execute(trx)
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
