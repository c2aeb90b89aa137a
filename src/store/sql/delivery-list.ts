import { AppError } from '../../lib/errors.ts'
import type { DeliveryFilter, DeliveryStatus } from '../port/deliveries.ts'
import { askedEvents, type Found, readStream, type Stream } from './delivery-streams.ts'
import type { Sql } from './sql.ts'

const STATUSES: readonly DeliveryStatus[] = ['waiting', 'dead', 'delivered']

/** So many rows are looked at for one page, however few of them match. */
const MOST_LOOKED = 10_000

/** Of each table the number down to which it was read. */
type Cursor = Readonly<Partial<Record<DeliveryStatus, number>>>

/**
 * Merges three tables by time, each newest first by its own number. The cursor holds how far each was read, so new rows shift nothing. A
 * page whose walks were long is short, or empty, and has a `next` that goes on behind them.
 */
export async function listDeliveries(
  store: Sql,
  filter: DeliveryFilter,
  paging: { limit: number; after?: string },
): Promise<{ found: readonly Found[]; next: string | null }> {
  const cursor = paging.after === undefined ? {} : readCursor(paging.after)
  const statuses = STATUSES.filter(status => filter.statuses?.includes(status) ?? true)
  const events = await askedEvents(store, filter)
  if (events?.length === 0) return { found: [], next: null }
  const most = Math.floor(MOST_LOOKED / Math.max(1, statuses.length))
  const streams = await Promise.all(
    statuses.map(async status => {
      const question = { ...filter, events, before: cursor[status], limit: paging.limit + 1, most }
      return { status, ...(await readStream(store, status, question)) }
    }),
  )

  // Behind where one walk was broken off there may be newer rows than those of the other tables.
  const horizonFor = (status: DeliveryStatus): number =>
    Math.max(...streams.map(other => (other.status === status ? null : other.stopped?.at) ?? Number.NEGATIVE_INFINITY))
  const found: Found[] = []
  const left = new Map(streams.map(({ status, found: all }) => [status, [...all]]))
  while (found.length < paging.limit) {
    const heads = streams.flatMap(stream => {
      const [head] = left.get(stream.status) ?? []
      return head && head.at >= horizonFor(stream.status) ? [head] : []
    })
    const newest = heads.reduce<Found | null>((best, head) => (best === null || head.at > best.at ? head : best), null)
    if (newest === null) break
    left.get(newest.status)?.shift()
    found.push(newest)
  }
  const ends = streams.map(stream => [stream.status, endOf(stream, left.get(stream.status) ?? [])] as const)
  return { found, next: ends.every(([, end]) => end === 0) ? null : writeCursor(Object.fromEntries(ends)) }
}

/** Down to where a stream was read and taken: the next page goes on there. 0: it is at its end. */
function endOf({ stopped }: Stream, left: readonly Found[]): number {
  const [head] = left
  return head ? head.n + 1 : (stopped?.n ?? 0)
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
