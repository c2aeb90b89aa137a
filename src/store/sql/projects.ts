import { sql } from 'kysely'
import type { ProjectStore } from '../port/projects.ts'
import type { Sql } from './sql.ts'

export function projectStore({ db, dialect }: Sql): ProjectStore {
  return {
    token: async project => {
      const row = await db
        .selectFrom('projects')
        .select(['token', 'version'])
        .where('id', '=', project)
        .executeTakeFirst()
      return row?.token == null ? null : { sealed: row.token, version: row.version }
    },

    putToken: async (project, sealed, version) => {
      const { rows } = await sql`
        insert into projects (id, token, version, booked_until) values (${project}, ${sealed}, ${version + 1}, 0)
        on conflict (id) do update set token = excluded.token, version = excluded.version
        where projects.version = ${version}
        returning id`.execute(db)
      return rows.length === 1
    },

    book: async (project, { intervalMs, burst }, now) => {
      const current = dialect.leaseNow(now)
      const interval = Math.max(1, Math.ceil(intervalMs))
      const { rows } = await sql<{ ahead: number }>`
        insert into projects (id, token, version, booked_until) values (${project}, null, 0, ${current} + ${interval})
        on conflict (id) do update set booked_until =
          case when projects.booked_until > ${current} then projects.booked_until else ${current} end + ${interval}
        returning booked_until - ${current} as ahead`.execute(db)
      return Math.max(0, Number(rows[0]?.ahead ?? 0) - interval * burst)
    },
  }
}
