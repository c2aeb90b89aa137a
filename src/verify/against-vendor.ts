import type { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import type { OrderEvent } from '../../schemas/order-event.ts'
import type { IngestControl } from '../ingest/ingest-control.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { ConnectionRow } from '../store/port/connections.ts'
import type { OrderRow } from '../store/port/orders.ts'
import type { Store } from '../store/store.ts'
import { compare, type Difference } from './compare.ts'
import type { Finding } from './finding.ts'
import { readEvent } from './order-check.ts'

/** Small: another process may have to read the batch, one request per order, before the poll request times out. */
const BATCH = 25
const TRIES = 3
const PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 60_000

export interface VendorDeps {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly read: IngestControl['read']
  /** Reads an order again and publishes what is new. Returns the ids of the new events. */
  readonly poll: (connection: string, order: OrderRow) => Promise<ReadonlySet<string>>
}

/** The counts of one connection, in orders or facts. Part of the answer of the API, so the names are stable. */
export interface Tally {
  orders: number
  /** Published facts that the vendor shows as published. */
  agreeing: number
  missing: number
  late: number
  different: number
  fuller: number
  gone: number
  notFound: number
  unreadable: number
  /** Orders that could not be read. */
  unread: number
}

type Step = { readonly finding: Finding } | { readonly compared: number }

/** Compares orders with what their vendor shows now. Writes nothing. */
export async function* againstVendor(
  deps: VendorDeps,
  config: Connection,
  orderIds: readonly string[],
): AsyncGenerator<Step, Tally> {
  const { store } = deps
  const connection = config.id
  const tally: Tally = {
    orders: 0,
    agreeing: 0,
    missing: 0,
    late: 0,
    different: 0,
    fuller: 0,
    gone: 0,
    notFound: 0,
    unreadable: 0,
    unread: 0,
  }
  for (let at = 0; at < orderIds.length; at += BATCH) {
    const known = [...(await store.orders.load(connection, orderIds.slice(at, at + BATCH))).values()]
    for await (const read of readings(deps, connection, known)) {
      if (read.error !== null) {
        tally.unread += read.asked.length
        const what = `${read.asked.length} orders were not read: ${messageOf(read.error)}`
        const [only] = read.asked
        const where = { connection, ...(read.asked.length === 1 && only && { order: only.orderId }) }
        yield { finding: { check: 'vendor.unreached', where, what } }
        if (read.end) {
          tally.unread += Math.max(0, orderIds.length - at - known.length)
          return tally
        }
        continue
      }
      yield* compared(deps, config, read, tally)
    }
    yield { compared: tally.orders }
  }
  return tally
}

interface Reading {
  readonly asked: readonly OrderRow[]
  readonly snapshots: readonly OrderSnapshot[]
  readonly rejects: Awaited<ReturnType<IngestControl['read']>>['rejects']
  readonly error: unknown
  /** The vendor itself fails: do not ask for more. */
  readonly end?: boolean
}

/** Reads orders together, and one by one if that fails. Gives up when several fail in a row. */
async function* readings(deps: VendorDeps, connection: string, orders: readonly OrderRow[]): AsyncGenerator<Reading> {
  const reading = async (asked: readonly OrderRow[], tries: number): Promise<Reading> => {
    const refs = asked.map(({ orderId, userId }) => ({ orderId, userId }))
    try {
      return { asked, ...(await patiently(deps, tries, () => deps.read(connection, refs, deps.signal))), error: null }
    } catch (error) {
      if (error instanceof AppError && error.code.startsWith('store.')) throw error
      return { asked, snapshots: [], rejects: [], error }
    }
  }
  if (orders.length === 0) return
  const all = await reading(orders, TRIES)
  const hopeless = deps.signal.aborted || (all.error instanceof AppError && all.error.intent !== 'retry')
  if (all.error === null || hopeless || orders.length === 1) return yield { ...all, end: hopeless }
  let failed = 0
  for (const [index, order] of orders.entries()) {
    const one = await reading([order], 1)
    failed = one.error === null ? 0 : failed + 1
    if (failed === TRIES) return yield { ...one, asked: orders.slice(index), end: true }
    yield one
  }
}

/** Tries a few times, with the pauses that the vendor asks for. */
async function patiently<T>({ clock, signal }: VendorDeps, tries: number, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof AppError) || error.intent !== 'retry' || attempt >= tries || signal.aborted) throw error
      await clock.sleep(Math.min(error.retryAfterMs ?? PAUSE_MS, LONGEST_PAUSE_MS), signal)
    }
  }
}

async function* compared(
  deps: VendorDeps,
  config: Connection,
  { asked, snapshots, rejects }: Reading,
  tally: Tally,
): AsyncGenerator<Step> {
  const { store, clock } = deps
  const connection = config.id
  // Load after reading the vendor, so that events published in between count.
  const rows = await store.orders.load(
    connection,
    asked.map(({ orderId }) => orderId),
  )
  const row = await store.connections.get(connection)
  const shown = new Map(snapshots.map(snapshot => [snapshot.orderId, snapshot]))
  const rejected = new Map(rejects.map(reject => [reject.orderId, reject]))
  for (const order of rows.values()) {
    tally.orders++
    const where = { connection, order: order.orderId }
    const snapshot = shown.get(order.orderId)
    const reject = rejected.get(order.orderId)
    if (!snapshot) {
      tally[reject ? 'unreadable' : 'notFound']++
      if (reject) yield { finding: { check: 'vendor.unreadable', where, what: `${reject.path}: ${reject.reason}` } }
      else yield { finding: { check: 'vendor.not_found', where, what: 'the vendor does not know the order' } }
      continue
    }
    const told = await toldOf(store, order)
    const differences = compare({ vendor: config.vendor, row: order, told, shown: snapshot, now: clock.now() })
    const late = await comesBy(deps, config, row, order, snapshot)
    let polled: Promise<ReadonlySet<string>> | null = null
    for (const { kind, type, event, what } of differences) {
      const place = { ...where, ...(event !== undefined && { event }) }
      const isLate = kind === 'missing' ? late(type) : null
      tally[isLate === null ? kind : 'late']++
      if (isLate !== null)
        yield { finding: { check: 'vendor.late', where: place, what: `${type} is not published yet: ${isLate}` } }
      else if (kind !== 'missing') yield { finding: { check: `vendor.${kind}`, where: place, what } }
      else
        yield {
          finding: {
            check: 'vendor.missing',
            where: place,
            what,
            repair: async () => {
              polled ??= deps.poll(connection, order)
              return event !== undefined && (await polled).has(event)
            },
          },
        }
    }
    const doubtful = differences.filter(({ kind }) => kind === 'different' || kind === 'gone').length
    tally.agreeing += Math.max(0, order.state.said.length - doubtful)
  }
}

async function toldOf(store: Store, { connection, orderId }: OrderRow): Promise<Map<string, OrderEvent>> {
  const told = new Map<string, OrderEvent>()
  for (const { id, body } of await store.events.ofOrder(connection, orderId)) {
    // An event that cannot be read is a finding of the store check.
    const event = readEvent(body)
    if (typeof event !== 'string') told.set(id, event)
  }
  return told
}

/** How a missing fact will come by itself; null: it will not, because the order was read as it is shown now. */
async function comesBy(
  { store }: VendorDeps,
  { overlap }: Connection,
  connection: ConnectionRow | null,
  order: OrderRow,
  shown: OrderSnapshot,
): Promise<(type: Difference['type']) => string | null> {
  const changed = JSON.stringify(order.snapshot) !== JSON.stringify(shown)
  const byReading = changed ? await nextReading() : null
  return type => byReading ?? (type === 'order.refunded' && order.recheckAt !== null ? 'it waits for its record' : null)

  async function nextReading(): Promise<string | null> {
    const follows = await store.verify.nextReading(order.connection, order.orderId, order.userId)
    if (follows !== null) return `the order is read next at ${new Date(follows).toISOString()}`
    if (shown.updatedAt === null || !connection) return null
    const at = Date.parse(shown.updatedAt)
    if (connection.cursor === null || at >= connection.cursor - overlap) return 'it comes with the next poll'
    return connection.gaps.some(({ from, to }) => at >= from && at <= to) ? 'it comes with the look back' : null
  }
}
