import { AppError } from '../../src/lib/errors.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { DeadLetterRow, DeadLetterStore } from '../../src/store/port/dead-letters.ts'
import type { AttemptRow, DeliveryStore } from '../../src/store/port/deliveries.ts'
import type { EventFilter } from '../../src/store/port/events.ts'
import type { BacklogOrigin, LaneRow, LaneStore } from '../../src/store/port/lanes.ts'
import { LEASE_LOST, type Lease, type LeaseStore } from '../../src/store/port/leases.ts'
import type { ReplayRow, ReplayStore } from '../../src/store/port/replays.ts'

interface Waiting {
  readonly eventId: string
  origin: BacklogOrigin
}
const RANK = ['replay', 'redrive', 'live'] as const
interface Lane {
  nextAt: number
  attempt: number
  held: boolean
  readonly backlog: Waiting[]
}

/** What dispatch needs of the store, in memory, by the promises of the port. It outlives the dispatchers of a test, as a database does. */
export interface MemoryStore {
  readonly lanes: LaneStore
  readonly replays: ReplayStore
  readonly leases: Pick<LeaseStore, 'takeOver'>
  readonly deliveries: Pick<DeliveryStore, 'record'>
  readonly deadLetters: Pick<DeadLetterStore, 'redrive' | 'list'>
  /** The history: everything that was ever published. */
  readonly events: Map<string, EventRecord>
  readonly attempts: AttemptRow[]
  /** Called at the begin of every call; what it throws or waits for is what a store out of order does. */
  trouble: (call: string) => void | Promise<void>
  /** Asks for a replay, of a new destination unless said otherwise. */
  ask(
    destination: string,
    filter: EventFilter,
    options?: { through?: number | null; opening?: boolean; at?: number },
  ): void
  /** Partitions done of what was asked for a destination. */
  queued(destination: string): readonly number[]
  /** Replays that are not wholly queued. */
  readonly asked: number
  waiting(destination: string, orderKey: string): readonly string[]
  rows(destination: string): readonly LaneRow[]
  letters(destination: string): readonly DeadLetterRow[]
}

export function memoryStore({ partitionOf = (_: string): number => 0 } = {}): MemoryStore {
  const events = new Map<string, EventRecord>()
  const lanes = new Map<string, Map<string, Lane>>()
  const attempts: AttemptRow[] = []
  const dead = new Map<string, DeadLetterRow>()
  const replays = new Map<number, ReplayRow>()
  const epochs = new Map<string, number>()
  let letterCount = 0
  let replayCount = 0

  const hold = ({ name, epoch }: Lease) => {
    if (epochs.get(name) !== epoch) throw new AppError('The lease is lost.', { code: LEASE_LOST, intent: 'stop' })
  }

  const of = (destination: string) => {
    const found = lanes.get(destination) ?? new Map<string, Lane>()
    lanes.set(destination, found)
    return found
  }
  const event = (id: string): EventRecord => {
    const found = events.get(id)
    if (!found) throw new Error(`no event ${id} in the history`)
    return found
  }
  function put(
    destination: string,
    id: string,
    origin: BacklogOrigin,
    fresh: { nextAt: number; attempt: number },
  ): void {
    const { orderKey, sequence } = event(id)
    const lane = of(destination).get(orderKey) ?? { ...fresh, held: false, backlog: [] }
    of(destination).set(orderKey, lane)
    const there = lane.backlog.find(one => one.eventId === id)
    if (there) {
      if (RANK.indexOf(origin) > RANK.indexOf(there.origin)) there.origin = origin
      return
    }
    const behind = lane.backlog.findIndex(one => event(one.eventId).sequence > sequence)
    lane.backlog.splice(behind < 0 ? lane.backlog.length : behind, 0, { eventId: id, origin })
  }
  const rowOf = (destination: string, orderKey: string, lane: Lane): LaneRow => ({
    destination,
    orderKey,
    nextAt: lane.nextAt,
    attempt: lane.attempt,
    held: lane.held,
  })
  const holding = (destination: string, orderKey: string) =>
    [...dead.values()].some(one => one.holding && one.destination === destination && one.event.orderKey === orderKey)
  const matches = (record: EventRecord, filter: EventFilter) =>
    (!filter.types || filter.types.includes(record.type)) &&
    (!filter.connections || filter.connections.includes(record.connection)) &&
    (filter.orderId === undefined || record.orderId === filter.orderId) &&
    (filter.since === undefined || record.observedAt >= filter.since) &&
    (filter.until === undefined || record.observedAt < filter.until)

  const store: MemoryStore = {
    ask(destination, filter, { through = null, opening = true, at = 0 } = {}) {
      const n = ++replayCount
      replays.set(n, { n, destination, filter, opening, through, queued: [], createdAt: at })
    },
    queued: destination =>
      [...replays.values()].filter(row => row.destination === destination).flatMap(row => row.queued),
    get asked() {
      return replays.size
    },
    events,
    attempts,
    trouble: () => {},
    waiting: (destination, orderKey) =>
      of(destination)
        .get(orderKey)
        ?.backlog.map(one => one.eventId) ?? [],
    rows: destination => [...of(destination)].map(([orderKey, lane]) => rowOf(destination, orderKey, lane)),
    letters: destination => [...dead.values()].filter(one => one.destination === destination),
    lanes: {
      async existing(destination, orderKeys) {
        await store.trouble('existing')
        return new Set(orderKeys.filter(key => of(destination).has(key)))
      },
      async counts() {
        await store.trouble('counts')
        return new Map([...lanes].filter(([, rows]) => rows.size > 0).map(([id, rows]) => [id, rows.size]))
      },
      async spill(spills, lane, { retry, leases = [] } = {}) {
        await store.trouble('spill')
        leases.forEach(hold)
        for (const spill of spills) put(spill.destination, spill.event.id, spill.origin, lane)
        const tried = retry && of(retry.destination).get(retry.orderKey)
        if (tried && !tried.held) Object.assign(tried, lane)
      },
      async due({ destination, now, limit, owned, skip }) {
        await store.trouble('due')
        return [...of(destination)]
          .filter(([key, lane]) => !lane.held && lane.nextAt <= now && !skip.has(key))
          .filter(([key]) => !owned || owned.of.has(partitionOf(key)))
          .sort(([, a], [, b]) => a.nextAt - b.nextAt)
          .slice(0, limit)
          .map(([key, lane]) => rowOf(destination, key, lane))
      },
      async nextDue(destinations) {
        await store.trouble('nextDue')
        const times = destinations.flatMap(id =>
          [...of(id).values()].filter(lane => !lane.held).map(lane => lane.nextAt),
        )
        return times.length > 0 ? Math.min(...times) : null
      },
      async nextDueOfEach(destinations) {
        await store.trouble('nextDueOfEach')
        const found = new Map<string, number>()
        for (const id of destinations) {
          const times = [...of(id).values()].filter(lane => !lane.held).map(lane => lane.nextAt)
          if (times.length > 0) found.set(id, Math.min(...times))
        }
        return found
      },
      async head(destination, orderKey, limit) {
        await store.trouble('head')
        const backlog = of(destination).get(orderKey)?.backlog ?? []
        return backlog.slice(0, limit).map(one => ({ ...event(one.eventId), origin: one.origin }))
      },
      async delivered(destination, done, now) {
        await store.trouble('delivered')
        const emptied = new Set<string>()
        for (const { orderKey, eventIds } of done) {
          const lane = of(destination).get(orderKey)
          const left = lane?.backlog.filter(one => !eventIds.includes(one.eventId)) ?? []
          for (const id of eventIds) dead.delete(`${destination}:${id}`)
          if (!lane || left.length === 0) {
            of(destination).delete(orderKey)
            emptied.add(orderKey)
          } else {
            lane.backlog.splice(0, lane.backlog.length, ...left)
            if (!holding(destination, orderKey)) Object.assign(lane, { nextAt: now, attempt: 0, held: false })
          }
        }
        return emptied
      },
      async reschedule(rows) {
        await store.trouble('reschedule')
        for (const { destination, orderKey, nextAt, attempt } of rows) {
          const lane = of(destination).get(orderKey)
          if (lane && !lane.held) Object.assign(lane, { nextAt, attempt })
        }
      },
      async makeDue(destination, now) {
        await store.trouble('makeDue')
        for (const lane of of(destination).values()) if (!lane.held && lane.nextAt > now) lane.nextAt = now
      },
      async deadLetter({ destination, orderKey, eventId, at, attempts: made, lastError, hold }) {
        await store.trouble('deadLetter')
        const id = `${destination}:${eventId}`
        dead.set(id, {
          n: ++letterCount,
          id,
          destination,
          event: event(eventId),
          at,
          attempts: made,
          lastError,
          holding: hold,
        })
        const lane = of(destination).get(orderKey)
        if (!lane) return true
        if (hold) {
          lane.held = true
          return false
        }
        const index = lane.backlog.findIndex(one => one.eventId === eventId)
        if (index >= 0) lane.backlog.splice(index, 1)
        if (lane.backlog.length === 0) of(destination).delete(orderKey)
        else Object.assign(lane, { nextAt: at, attempt: 0 })
        return lane.backlog.length === 0
      },
      async replay(destination, filter, now, { wants, origin = 'replay' } = {}) {
        await store.trouble('replay')
        const chosen = [...events.values()]
          .slice(filter.behind ?? 0, filter.through)
          .filter(one => matches(one, filter) && (wants?.(one) ?? true))
        for (const { id } of chosen) put(destination, id, origin, { nextAt: now, attempt: 0 })
        return chosen.length
      },
      async forget(destination) {
        await store.trouble('forget')
        lanes.delete(destination)
        for (const [id, letter] of dead) if (letter.destination === destination) dead.delete(id)
        for (const [n, row] of replays) if (row.destination === destination) replays.delete(n)
      },
      async backlog() {
        await store.trouble('backlog')
        return new Map(
          [...lanes].map(([id, rows]) => {
            const waiting = [...rows.values()].flatMap(lane => lane.backlog.map(one => event(one.eventId).observedAt))
            return [id, { size: waiting.length, oldestObservedAt: waiting.length > 0 ? Math.min(...waiting) : null }]
          }),
        )
      },
    },
    replays: {
      async end() {
        await store.trouble('end')
        return events.size
      },
      async add(destination, filter, now, wants) {
        await store.trouble('add')
        const count = [...events.values()].filter(one => matches(one, filter) && (wants?.(one) ?? true)).length
        if (count > 0) store.ask(destination, filter, { through: events.size, opening: false, at: now })
        return count
      },
      async pending() {
        await store.trouble('pending')
        return [...replays.values()]
      },
      async published() {
        return true
      },
      async unpublished() {
        return new Map()
      },
      async queued(n, { partition, lease, partitions }) {
        await store.trouble('queued')
        hold(lease)
        const row = replays.get(n)
        if (!row) return
        const queued = [...new Set([...row.queued, partition])]
        if (queued.length >= partitions) replays.delete(n)
        else replays.set(n, { ...row, queued })
      },
    },
    leases: {
      async takeOver(name, owner) {
        await store.trouble('takeOver')
        const epoch = (epochs.get(name) ?? 0) + 1
        epochs.set(name, epoch)
        return { name, owner, epoch }
      },
    },
    deliveries: {
      async record(rows) {
        await store.trouble('record')
        attempts.push(...rows)
      },
    },
    deadLetters: {
      async list() {
        return [...dead.values()].sort((a, b) => b.n - a.n)
      },
      async redrive(filter, now) {
        await store.trouble('redrive')
        const chosen = [...dead.values()].filter(
          one =>
            (!filter.destination || one.destination === filter.destination) &&
            (!filter.ids || filter.ids.includes(one.id)) &&
            matches(one.event, filter),
        )
        for (const { id, destination, event: record } of chosen) {
          dead.delete(id)
          put(destination, record.id, 'redrive', { nextAt: now, attempt: 0 })
          const lane = of(destination).get(record.orderKey)
          if (lane) Object.assign(lane, { held: false, nextAt: now, attempt: 0 })
        }
        return chosen.length
      },
    },
  }
  return store
}
