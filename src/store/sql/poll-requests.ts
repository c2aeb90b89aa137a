import { type Selectable, sql } from 'kysely'
import type { PollRequest, PollRequestStore } from '../port/poll-requests.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

export function pollRequestStore({ db, dialect, transaction }: Sql): PollRequestStore {
  return {
    put: ({ id, connection, request, askedAt }, forgetBefore) =>
      transaction(async trx => {
        await trx.deleteFrom('poll_requests').where('asked_at', '<', forgetBefore).execute()
        await trx
          .insertInto('poll_requests')
          .values({ id, connection, request, asked_at: askedAt, taken_at: null, answer: null })
          .execute()
      }),

    get: async id => {
      const row = await db.selectFrom('poll_requests').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? requestOf(row) : null
    },

    take: async (connections, now) => {
      if (connections.length === 0) return []
      const { rows } = await sql<Selectable<Schema['poll_requests']>>`
        update poll_requests set taken_at = ${now}
        where taken_at is null and ${dialect.among(sql`connection`, connections)} returning *`.execute(db)
      return rows.map(requestOf).sort((a, b) => a.askedAt - b.askedAt)
    },

    answer: async (id, answer) => {
      await db.updateTable('poll_requests').set({ answer }).where('id', '=', id).execute()
    },

    remove: async (id, { untaken = false } = {}) => {
      let query = db.deleteFrom('poll_requests').where('id', '=', id)
      if (untaken) query = query.where('taken_at', 'is', null)
      return (await query.executeTakeFirstOrThrow()).numDeletedRows > 0n
    },
  }
}

const requestOf = (row: Selectable<Schema['poll_requests']>): PollRequest => ({
  id: row.id,
  connection: row.connection,
  request: row.request,
  askedAt: row.asked_at,
  answer: row.answer,
})
