import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { LaneStore } from '../port/lanes.ts'
import { dropEmptyLanes, enqueue, existingLanes, type Lane, lockLanes, makeDue, stillThere } from './backlog.ts'
import { type SqlDialect, storable } from './sql.ts'
import type { Schema } from './tables.ts'

type Letter = Parameters<LaneStore['deadLetter']>[0]

/** Moves the head of a lane to the dead letters, in the transaction given. Returns whether the lane is empty now. */
export async function deadLetterHead(
  part: { trx: Kysely<Schema>; dialect: SqlDialect },
  { destination, endpoint, orderKey, eventId, at, attempts, lastError, hold }: Letter,
): Promise<boolean> {
  const { trx } = part
  const isThere = await stillThere(part, [{ destination, ...(endpoint && { endpoint }) }])
  if (!isThere(destination)) return true
  const lane = { destination, orderKey }
  let held: readonly Lane[] = []
  if (hold) {
    // The event may never have been in the backlog. Only a redrive lets the lane go on.
    await enqueue(part, [{ destination, eventId, origin: 'redrive' }], { nextAt: at, attempt: attempts })
  } else {
    held = await lockLanes(part, [lane])
    if (held.length > 0)
      await sql`
        delete from backlog
        where destination = ${destination} and order_key = ${orderKey} and event_id = ${eventId}`.execute(trx)
  }
  await sql`delete from dead_letters where destination = ${destination} and event_id = ${eventId}`.execute(trx)
  const inserted = await sql`
    insert into dead_letters (id, destination, event_id, order_key, sequence, at, attempts, last_error, holding)
    select ${deadLetterId(destination, eventId)}, ${destination}, id, order_key, sequence, ${at}, ${attempts},
      ${storable(lastError)}, ${hold ? 1 : 0}
    from events where id = ${eventId}`.execute(trx)
  // Without a letter nothing would ever let the lane go on: another process had delivered the event, and retention removed it.
  if (hold && inserted.numAffectedRows)
    await sql`
      update lanes set held = 1, next_at = ${at}, attempt = ${attempts}
      where destination = ${destination} and order_key = ${orderKey}`.execute(trx)
  await dropEmptyLanes(part, held)
  await makeDue(part, held, at)
  return !(await existingLanes(trx, part.dialect, destination, [orderKey])).has(orderKey)
}

/** One id per delivery, however often it is dead-lettered. */
const deadLetterId = (destination: string, eventId: string): string =>
  `dl_${createHash('sha256')
    .update(JSON.stringify([destination, eventId]))
    .digest('hex')
    .slice(0, 24)}`
