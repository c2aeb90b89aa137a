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

    // Never back: a process that wakes up late must not undo what its successor settled.
    // Relaxed: what was settled once is settled again when it is read again.
    set: (group, partition, position) =>
      relaxed(async trx => {
        await sql`
          insert into offsets (group_id, partition, position) values (${group}, ${partition}, ${position})
          on conflict (group_id, partition) do update set position = excluded.position
          where excluded.position > offsets.position`.execute(trx)
      }),
  }
}
