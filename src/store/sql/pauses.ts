import type { PauseStore } from '../port/pauses.ts'
import type { Sql } from './sql.ts'

export function pauseStore({ db }: Sql): PauseStore {
  return {
    list: async () => {
      const rows = await db.selectFrom('paused_handlers').select('id').execute()
      return new Set(rows.map(({ id }) => id))
    },

    pause: async (id, at) => {
      await db
        .insertInto('paused_handlers')
        .values({ id, paused_at: at })
        .onConflict(conflict => conflict.column('id').doNothing())
        .execute()
    },

    resume: async id => {
      await db.deleteFrom('paused_handlers').where('id', '=', id).execute()
    },
  }
}
