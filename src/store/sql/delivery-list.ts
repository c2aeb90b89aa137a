import { AppError } from '../../lib/errors.ts'
import type { DeliveryFilter, DeliveryStatus } from '../port/deliveries.ts'
import { type Found, readStream } from './delivery-streams.ts'
import type { Sql } from './sql.ts'

const STATUSES: readonly DeliveryStatus[] = ['waiting', 'dead', 'delivered']

/** The last number read from each table. */
type Cursor = Readonly<Partial<Record<DeliveryStatus, number>>>

/**
 * Merges three tables by time, each newest first by its own number. The cursor holds the last number of each, so a page costs three
 * short walks, and new rows shift nothing.
 */
export async function listDeliveries(
  store: Sql,
  filter: DeliveryFilter,
  paging: { limit: number; after?: string },
): Promise<{ found: readonly Found[]; next: string | null }> {
  const cursor = paging.after === undefined ? {} : readCursor(paging.after)
  const statuses = STATUSES.filter(status => filter.statuses?.includes(status) ?? true)
  const streams = await Promise.all(
    statuses.map(status => readStream(store, status, { ...filter, before: cursor[status], limit: paging.limit + 1 })),
  )
  const found: Found[] = []
  const taken: Partial<Record<DeliveryStatus, number>> = { ...cursor }
  while (found.length < paging.limit) {
    const newest = streams.reduce((best, stream) => ((stream[0]?.at ?? -1) > (best[0]?.at ?? -1) ? stream : best), [])
    const row = newest.shift()
    if (!row) break
    found.push(row)
    taken[row.status] = row.n
  }
  const more = streams.some(stream => stream.length > 0)
  return { found, next: more ? writeCursor(taken) : null }
}

/** The delivery of one event at one destination, as a list of none or one. */
export async function findDeliveries(store: Sql, destination: string, eventId: string): Promise<readonly Found[]> {
  return (await listDeliveries(store, { destination, eventId }, { limit: 1 })).found
}

const writeCursor = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

function readCursor(text: string): Cursor {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof value === 'object' && value !== null && Object.values(value).every(Number.isSafeInteger)) return value
  } catch {
    // set below
  }
  throw new AppError('The cursor is not one of this listing; pass the "next" of the page before, or none to begin.', {
    code: 'store.bad_cursor',
    intent: 'fix',
  })
}
