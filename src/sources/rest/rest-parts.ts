import type { OrderSnapshot, RefundView } from '../../../schemas/order.ts'
import type { RestOptions } from '../../../schemas/vendor/rest.ts'
import type { RestRequest } from '../../../schemas/vendor/rest-order.ts'
import { AppError } from '../../lib/errors.ts'
import { createReader, type RowReader } from '../shared/row-reader.ts'
import type { ReadOptions } from '../source.ts'
import { filled, filledQuery, type RestClient } from './rest-client.ts'
import type { Place } from './rest-fields.ts'
import type { RestReaders, RestRow } from './rest-row.ts'

/** No such resource for us, or no permission: nothing will come from there. */
const UNAVAILABLE = [403, 404, 405, 410]

type Asks = RestRow['asks']

/**
 * Reads the lists of an order that have a request of their own. A list of refunds that fails for now leaves the refunds `delayed`; lines and
 * packages that fail reject, so that the order is published with them, later.
 */
export function createPartReader(
  { order: spec }: Pick<RestOptions, 'order'>,
  readers: RestReaders,
  client: RestClient,
) {
  /** The answer as a place to read; null: there is none for us. */
  async function ask(request: RestRequest, orderId: string, part: Part, options: ReadOptions): Promise<Place | null> {
    const places = { id: encodeURIComponent(orderId) }
    const query = filledQuery(request.query, { id: orderId })
    const answer = await client.get(filled(request.path, places), query, {
      ...options,
      label: request.path,
      accept: UNAVAILABLE,
    })
    if (answer.status >= 400) return null
    return { read: createReader(), row: answer.body ?? [], at: part }
  }

  async function readRefunds(snapshot: OrderSnapshot, refund: RefundView, read: RowReader, options: ReadOptions) {
    const request = spec.refunds?.request
    if (!request) return refund
    try {
      const place = await ask(request, snapshot.orderId, 'refunds', options)
      if (!place) return { ...refund, records: 'unavailable' as const }
      return { ...refund, records: readers.refunds({ ...place, read }, snapshot.currency) }
    } catch (error) {
      if (!options.signal.aborted && isPassing(error)) return refund
      throw error
    }
  }

  return async function completed(snapshot: OrderSnapshot, asks: Asks, options: ReadOptions): Promise<OrderSnapshot> {
    const { orderId, currency } = snapshot
    const read = createReader()
    /** Reads a list, or says that it is missing. */
    async function part<T>(request: RestRequest | undefined, name: Part, of: (place: Place) => T): Promise<T | null> {
      if (!request) return null
      const place = await ask(request, orderId, name, options)
      if (place) return of({ ...place, read })
      read.doubt(
        name,
        undefined,
        `expected an answer to GET ${request.path}, and it is forbidden or not there; ${name} are missing`,
      )
      return null
    }
    const lines = asks.lines ? await part(spec.lines?.request, 'lines', place => readers.lines(place, currency)) : null
    const packages = asks.packages ? await part(spec.packages?.request, 'packages', readers.packages) : null
    const isOpen = snapshot.refund?.records === 'delayed'
    const refund =
      snapshot.refund && isOpen ? await readRefunds(snapshot, snapshot.refund, read, options) : snapshot.refund
    return {
      ...snapshot,
      lines: lines ?? snapshot.lines,
      packages: packages ?? snapshot.packages,
      refund: refund && isNothing(refund) ? null : refund,
      doubts: [...snapshot.doubts, ...read.doubts],
    }
  }
}

type Part = 'lines' | 'packages' | 'refunds'

/** Every order is asked for its refunds, and this one has none. */
const isNothing = ({ records, total, totalUnreadable, full }: RefundView): boolean =>
  typeof records === 'object' && records.length === 0 && total === null && !totalUnreadable && full === null

/** Trouble of the vendor's with this list. A 429 asks all requests to wait, so the page waits. */
const isPassing = (error: unknown): boolean =>
  error instanceof AppError && error.intent === 'retry' && error.retryAfterMs === undefined
