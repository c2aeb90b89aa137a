import { sql } from 'kysely'
import type { OffsetStore } from '../port/offsets.ts'
import type { Sql } from './sql.ts'

export function offsetStore({ db, relaxed }: Sql): OffsetStore {
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

    // Waits for the disk: what a former reader writes must not come back.
    claim: async (group, partition) => {
      const { rows } = await sql<{ position: number; claim: number }>`
        insert into offsets (group_id, partition, position, claim) values (${group}, ${partition}, 0, 1)
        on conflict (group_id, partition) do update set claim = offsets.claim + 1
        returning position, claim`.execute(db)
      const [{ position, claim } = { position: 0, claim: 1 }] = rows
      return { position, claim }
    },

    // Relaxed: what was settled once is settled again when it is read again.
    set: (group, partition, position, claim = 0) =>
      relaxed(async trx => {
        await sql`
          insert into offsets (group_id, partition, position, claim) values (${group}, ${partition}, ${position}, ${claim})
          on conflict (group_id, partition) do update set position = excluded.position
          where excluded.position > offsets.position and offsets.claim = excluded.claim`.execute(trx)
      }),
  }
}
