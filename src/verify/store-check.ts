import type { EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import type {
  CheckedEvent,
  CheckedLane,
  CheckedLetter,
  CheckedOrder,
  CheckedWaiting,
  LaneKey,
} from '../store/port/verify.ts'
import type { Store } from '../store/store.ts'
import type { Finding, Place } from './finding.ts'
import { eventFaults, orderFaults } from './order-check.ts'

/** Small, because SQLite blocks the whole process while a page is read. */
const PAGE = 100
/** Committed events reach the event log within seconds; older unpublished ones are a finding. */
const UNPUBLISHED_MS = 60_000

/** What the check yields: findings and progress. */
export type Step = { readonly finding: Finding } | { readonly progress: Progress }

interface Progress {
  readonly looking: 'orders' | 'events' | 'lanes' | 'backlog' | 'deadLetters'
  /** Rows looked at. */
  readonly done: number
}

export interface StoreCheckDeps {
  readonly store: Store
  readonly clock: Clock
  /** Whose orders and events to look at; null: everybody's. */
  readonly connections: ReadonlySet<string> | null
  readonly eventLog: Pick<EventLog, 'notice' | 'contradiction'>
  /** Ids of handlers and endpoints, as of now. */
  readonly destinations: () => Promise<ReadonlySet<string>>
  /** Called with every order. */
  readonly onOrder?: (order: CheckedOrder) => void
}

/** Looks through the whole store, page by page, for rows that contradict each other. Changes nothing and blocks nothing for long. */
export async function* checkStore(deps: StoreCheckDeps): AsyncGenerator<Step> {
  const knownBefore = await deps.destinations()
  yield* connections(deps)
  yield* orders(deps)
  yield* events(deps)
  const waiting = new Map<string, Record<'backlog' | 'deadLetters', number>>()
  const count = (what: 'backlog' | 'deadLetters', destination: string) => {
    const counts = waiting.get(destination) ?? { backlog: 0, deadLetters: 0 }
    counts[what]++
    waiting.set(destination, counts)
  }
  yield* lanes(deps)
  yield* backlog(deps, destination => count('backlog', destination))
  yield* deadLetters(deps, destination => count('deadLetters', destination))
  yield* eventLog(deps)

  // A destination that was added or removed meanwhile is no finding.
  const knownAfter = await deps.destinations()
  const isKnown = (destination: string) => knownBefore.has(destination) || knownAfter.has(destination)
  for (const [destination, counts] of waiting) {
    if (isKnown(destination)) continue
    const what = `${counts.backlog} events wait and ${counts.deadLetters} were given up`
    yield { finding: { check: 'destination.unknown', where: { destination }, what } }
  }
  for (const { destination, createdAt } of await deps.store.replays.pending()) {
    if (isKnown(destination)) continue
    const what = `asked for at ${new Date(createdAt).toISOString()}, and not taken up`
    yield { finding: { check: 'replay.unknown', where: { destination }, what } }
  }
}

/**
 * Reads pages until one is empty. Pauses after each page for as long as the page took, so it uses at most half of the process: with SQLite
 * nothing else runs while a page is read.
 */
async function* paged<T>(
  { clock }: StoreCheckDeps,
  read: (last: T | null) => Promise<readonly T[]>,
): AsyncGenerator<readonly T[]> {
  for (let last: T | null = null; ; ) {
    const began = clock.monotonic()
    const page: readonly T[] = await read(last)
    last = page.at(-1) ?? null
    if (last === null) return
    yield page
    await clock.sleep(Math.max(1, clock.monotonic() - began))
  }
}

async function* connections({ store, connections }: StoreCheckDeps): AsyncGenerator<Step> {
  for (const { id, gaps } of await store.connections.list()) {
    if (gaps.length === 0 || (connections && !connections.has(id))) continue
    const from = Math.min(...gaps.map(gap => gap.from))
    const to = Math.max(...gaps.map(gap => gap.to))
    const what = `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}, in ${gaps.length} windows`
    yield { finding: { check: 'connection.gap', where: { connection: id }, what } }
  }
}

async function* orders(deps: StoreCheckDeps): AsyncGenerator<Step> {
  const { store, connections, onOrder } = deps
  // Retention keeps old events that still wait, so the first event of the history proves nothing.
  let untouched = (await store.verify.history()).whole
  let done = 0
  for await (const page of paged<CheckedOrder>(deps, last => store.verify.orders(last, PAGE))) {
    for (const order of page) {
      if (connections && !connections.has(order.connection)) continue
      onOrder?.(order)
      let faults = orderFaults(order, untouched)
      if (faults.length > 0 && untouched) {
        // Retention may have begun to remove events since.
        untouched = (await store.verify.history()).whole
        faults = orderFaults(order, untouched)
      }
      const where = { connection: order.connection, order: order.orderId }
      for (const [check, what] of faults) yield { finding: { check, where, what } }
    }
    done += page.length
    yield { progress: { looking: 'orders', done } }
  }
}

async function* events(deps: StoreCheckDeps): AsyncGenerator<Step> {
  const { store, connections } = deps
  let done = 0
  for await (const page of paged<CheckedEvent>(deps, last => store.verify.events(last?.n ?? 0, PAGE))) {
    for (const event of page) {
      if (connections && !connections.has(event.connection)) continue
      const where = { connection: event.connection, order: event.orderId, event: event.id }
      for (const [check, what] of eventFaults(event)) yield { finding: { check, where, what } }
    }
    done += page.length
    yield { progress: { looking: 'events', done } }
  }
}

async function* lanes(deps: StoreCheckDeps): AsyncGenerator<Step> {
  const { store, clock, connections } = deps
  let done = 0
  for await (const page of paged<CheckedLane>(deps, last => store.verify.lanes(last, PAGE))) {
    for (const lane of page) {
      const where = placeOf(lane)
      if (isOther(where, connections)) continue
      const key = { destination: lane.destination, orderKey: lane.orderKey }
      if (!lane.waiting)
        yield {
          finding: {
            check: 'lane.empty',
            where,
            what: 'the lane has a row, but nothing waits in it',
            repair: () => store.verify.dropEmptyLane(key),
          },
        }
      else if (lane.held && !lane.holder)
        yield {
          finding: {
            check: 'lane.held',
            where,
            what: 'the lane is held, but by no dead letter',
            repair: () => store.verify.releaseLane(key, clock.now()),
          },
        }
    }
    done += page.length
    yield { progress: { looking: 'lanes', done } }
  }
}

async function* backlog(deps: StoreCheckDeps, onRow: (destination: string) => void): AsyncGenerator<Step> {
  const { store, clock, connections } = deps
  let done = 0
  for await (const page of paged<CheckedWaiting>(deps, last => store.verify.backlog(last?.n ?? 0, PAGE))) {
    for (const row of page) {
      onRow(row.destination)
      const where = placeOf(row)
      if (isOther(where, connections)) continue
      if (!row.event)
        yield {
          finding: {
            check: 'backlog.event_missing',
            where,
            what: 'the event that waits is not in the history',
            repair: () => store.verify.dropWithoutEvent(row.destination, row.eventId),
          },
        }
      else if (disagrees(row)) yield { finding: { check: 'backlog.disagrees', where, what: disagreement(row) } }
      if (row.event && !row.hasLane)
        yield {
          finding: {
            check: 'lane.missing',
            where,
            what: 'the event waits, but its lane has no row',
            repair: async () => {
              await store.verify.restoreLane(row, clock.now())
              return true
            },
          },
        }
    }
    done += page.length
    yield { progress: { looking: 'backlog', done } }
  }
}

async function* deadLetters(deps: StoreCheckDeps, onRow: (destination: string) => void): AsyncGenerator<Step> {
  const { store, connections } = deps
  let done = 0
  for await (const page of paged<CheckedLetter>(deps, last => store.verify.deadLetters(last?.n ?? 0, PAGE))) {
    for (const letter of page) {
      onRow(letter.destination)
      const where = placeOf(letter)
      if (isOther(where, connections)) continue
      if (!letter.event)
        yield {
          finding: {
            check: 'dead_letter.event_missing',
            where,
            what: `the event of ${letter.id} is not in the history`,
            repair: () => store.verify.dropWithoutEvent(letter.destination, letter.eventId),
          },
        }
      else if (letter.holding && !letter.held)
        yield { finding: { check: 'dead_letter.not_held', where, what: `the order does not wait for ${letter.id}` } }
    }
    done += page.length
    yield { progress: { looking: 'deadLetters', done } }
  }
}

async function* eventLog({ store, clock, connections, eventLog: log }: StoreCheckDeps): AsyncGenerator<Step> {
  for (const { connection, count, oldestObservedAt } of await store.verify.unpublished()) {
    if (clock.now() - oldestObservedAt < UNPUBLISHED_MS || (connections && !connections.has(connection))) continue
    const what = `${count} events, the oldest observed at ${new Date(oldestObservedAt).toISOString()}`
    yield { finding: { check: 'event.unpublished', where: { connection }, what } }
  }
  const notice = log.notice()
  if (notice !== null) yield { finding: { check: 'event_log.went_back', where: {}, what: notice } }
  const misfit = await log.contradiction()
  if (misfit !== null) yield { finding: { check: 'event_log.misfit', where: {}, what: misfit } }
  const offsets = await store.verify.offsets()
  const { last, given } = await store.verify.history()
  if (last > given) {
    const what = `the history goes to ${last}, but the last number given is ${given}`
    yield { finding: { check: 'history.numbers', where: {}, what } }
  }
  for (const { group, partition, position } of offsets) {
    if (position <= Math.max(last, given)) continue
    yield {
      finding: {
        check: 'offset.ahead',
        where: {},
        what: `the group "${group}" is at ${position}, but the last event ever stored was ${given}`,
        repair: () => store.verify.lowerOffset(group, partition),
      },
    }
  }
}

type Row = LaneKey & { readonly eventId?: string }

/** An order key is `connection/order id`; a connection's id has no slash. */
function placeOf({ destination, orderKey, eventId }: Row): Place {
  const slash = orderKey.indexOf('/')
  return {
    destination,
    connection: orderKey.slice(0, slash),
    order: orderKey.slice(slash + 1),
    ...(eventId !== undefined && { event: eventId }),
  }
}

const isOther = ({ connection }: Place, connections: ReadonlySet<string> | null): boolean =>
  connections !== null && (connection === undefined || !connections.has(connection))

const disagrees = ({ event, orderKey, sequence }: CheckedWaiting): boolean =>
  event !== null && (event.orderKey !== orderKey || event.sequence !== sequence)

const disagreement = ({ event, orderKey, sequence }: CheckedWaiting): string =>
  `it waits as ${orderKey} #${sequence}, but is ${event?.orderKey} #${event?.sequence}`
