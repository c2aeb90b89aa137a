import { type Insertable, type Kysely, type Selectable, sql } from 'kysely'
import type { EndpointFilter } from '../../../schemas/endpoint.ts'
import type { EventType } from '../../../schemas/order-event.ts'
import { LONGEST_REST } from '../../lib/retry-after.ts'
import type { EndpointRow, EndpointStore } from '../port/endpoints.ts'
import { pause } from './pause.ts'
import { removeWork } from './remove-work.ts'
import { type Sql, storable } from './sql.ts'
import type { Schema } from './tables.ts'

const CHUNK = 1000

export function endpointStore({ db, transaction }: Sql): EndpointStore {
  return {
    list: async () =>
      (await db.selectFrom('endpoints').selectAll().orderBy('created_at').orderBy('id').execute()).map(endpointOf),

    get: async id => {
      const row = await db.selectFrom('endpoints').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? endpointOf(row) : null
    },

    insert: (endpoint, { replaySince, shared = false } = {}) =>
      transaction(async trx => {
        const { id, created_at, ...rest } = { ...columnsOf(endpoint), id: endpoint.id, created_at: endpoint.createdAt }
        const { numInsertedOrUpdatedRows } = await trx
          .insertInto('endpoints')
          .values({ id, created_at, ...rest } as Insertable<Schema['endpoints']>)
          .onConflict(conflict => conflict.column('id').doNothing())
          .executeTakeFirstOrThrow()
        if (numInsertedOrUpdatedRows !== 1n) return false
        // Remove what a delivery in flight may have left of an earlier endpoint of this id.
        await removeWork(trx, id)
        await trx.deleteFrom('attempts').where('destination', '=', id).execute()
        const filter = replaySince !== undefined ? { since: replaySince } : shared ? { behind: await endOf(trx) } : null
        if (filter)
          await trx
            .insertInto('replays')
            .values({
              destination: id,
              filter: JSON.stringify(filter),
              opening: 1,
              through: null,
              queued: '[]',
              created_at,
            })
            .execute()
        return true
      }),

    update: async (id, patch, expected = {}) => {
      const values = columnsOf(patch)
      if (Object.keys(values).length === 0)
        return (await db.selectFrom('endpoints').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
      let query = db.updateTable('endpoints').set(values).where('id', '=', id)
      if (expected.secret !== undefined) query = query.where('secret', '=', expected.secret)
      if (expected.updatedAt !== undefined) query = query.where('updated_at', '=', expected.updatedAt)
      const { numUpdatedRows } = await query.executeTakeFirst()
      return numUpdatedRows === 1n
    },

    rest: async (id, until) => {
      // A time further away than the longest rest comes from a wrong clock.
      await sql`
        update endpoints set rest_until = ${until}
        where id = ${id} and (rest_until is null or rest_until < ${until} or rest_until > ${until + LONGEST_REST})`.execute(
        db,
      )
    },

    remove: async id => {
      // There may be millions of attempts: delete them first, in chunks. All the rest goes in one transaction.
      for (let gone = CHUNK; gone === CHUNK; await pause()) {
        const { numAffectedRows } = await sql`
          delete from attempts where n in (select n from attempts where destination = ${id} order by n limit ${CHUNK})`.execute(
          db,
        )
        gone = Number(numAffectedRows ?? 0)
      }
      return transaction(async trx => {
        // The endpoint first: every insert for it locks its row first.
        const { numDeletedRows } = await trx.deleteFrom('endpoints').where('id', '=', id).executeTakeFirst()
        await removeWork(trx, id)
        return numDeletedRows === 1n
      })
    },
  }
}

/** The last event. Events that commit later have a greater `n`, whatever this transaction sees. */
async function endOf(trx: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{ n: number | null }>`select max(n) as n from events`.execute(trx)
  return rows[0]?.n ?? 0
}

type Patch = Partial<Omit<EndpointRow, 'id' | 'createdAt'>>

function columnsOf(patch: Patch) {
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
  return {
    ...(patch.url !== undefined && { url: patch.url }),
    ...(patch.types !== undefined && { types: json(patch.types) }),
    ...(patch.connections !== undefined && { connections: json(patch.connections) }),
    ...(patch.secret !== undefined && { secret: patch.secret }),
    ...(patch.formerSecrets !== undefined && { former_secrets: JSON.stringify(patch.formerSecrets) }),
    ...(patch.filter !== undefined && { filter: json(patch.filter) }),
    ...(patch.headers !== undefined && { headers: json(patch.headers) }),
    ...(patch.delivery !== undefined && { delivery: json(patch.delivery) }),
    ...(patch.description !== undefined && {
      description: patch.description === null ? null : storable(patch.description),
    }),
    ...(patch.state !== undefined && { state: patch.state }),
    ...(patch.stateReason !== undefined && {
      state_reason: patch.stateReason === null ? null : storable(patch.stateReason),
    }),
    ...(patch.restUntil !== undefined && { rest_until: patch.restUntil }),
    ...(patch.declared !== undefined && { declared: patch.declared ? 1 : 0 }),
    ...(patch.updatedAt !== undefined && { updated_at: patch.updatedAt }),
  }
}

const parsed = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T))

const endpointOf = (row: Selectable<Schema['endpoints']>): EndpointRow => ({
  id: row.id,
  url: row.url,
  types: parsed<EventType[]>(row.types),
  connections: parsed<string[]>(row.connections),
  secret: row.secret,
  formerSecrets: JSON.parse(row.former_secrets) as EndpointRow['formerSecrets'],
  filter: parsed<EndpointFilter>(row.filter),
  headers: parsed<Record<string, string>>(row.headers),
  delivery: parsed<Record<string, unknown>>(row.delivery),
  description: row.description,
  state: row.state as EndpointRow['state'],
  stateReason: row.state_reason,
  restUntil: row.rest_until,
  declared: row.declared === 1,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
