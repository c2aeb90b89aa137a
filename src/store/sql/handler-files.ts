import { sql } from 'kysely'
import type { HandlerFileStore } from '../port/handler-files.ts'
import type { Sql } from './sql.ts'

export function handlerFileStore({ db }: Sql): HandlerFileStore {
  return {
    digests: async () => {
      const rows = await db.selectFrom('handler_files').selectAll().execute()
      return new Map(rows.map(({ id, digest }) => [id, digest]))
    },

    put: async (id, digest) => {
      await sql`
        insert into handler_files (id, digest) values (${id}, ${digest})
        on conflict (id) do update set digest = excluded.digest`.execute(db)
    },
  }
}
