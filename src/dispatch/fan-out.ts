import type { LogEntry } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { endsWithin } from '../lib/deadline.ts'
import { createMutex } from '../lib/mutex.ts'
import { within } from '../lib/page-size.ts'
import type { Store } from '../store/store.ts'
import type { Assignment } from './assignment.ts'
import type { DestinationWorker } from './destination-worker.ts'
import type { FencedWrites } from './fenced-writes.ts'
import type { LaneLookup } from './known-rows.ts'
import { createSpillBatch, type SpillBatch } from './spill.ts'
import type { Subscriptions } from './subscriptions.ts'

/**
 * Hands each entry of the log to every destination that wants it: into its memory, or into its backlog.
 *
 * All partitions take turns, a slice at a time: each turn first makes sure that there is room in memory for the whole slice. Otherwise
 * twelve partitions would find the same room at once, and most of a burst would go to the store although every destination is quick.
 */
export interface FanOut {
  /** Resolves when all are taken in. If the assignment ends first, the rest is left to the next owner. */
  take(assignment: Assignment | undefined, entries: readonly LogEntry[]): Promise<void>
}

/** Entries, and characters of events, that are taken in at a time. The spilled events of a slice are one write. */
const SLICE = 250
const SLICE_SIZE = 8 * 1024 * 1024
/** Wait for room in full destinations this long at a time, while they make no progress, and in all. */
const [WAIT_MS, STUCK_MS, LONGEST_WAIT_MS] = [20, 1_000, 5_000]
/** A destination that made no room in that time is not waited for again for this long: what it has no room for is spilled. */
const SLOW_FOR_MS = 1_000

export function createFanOut(deps: {
  store: Pick<Store, 'lanes'>
  subscriptions: Subscriptions<DestinationWorker>
  workers: ReadonlyMap<string, DestinationWorker>
  fenced: FencedWrites
  clock: Clock
  /** Live events that a destination may have in memory. */
  queueLimit: number
}): FanOut {
  const { store, subscriptions, workers, fenced, clock } = deps
  const slowUntil = new WeakMap<DestinationWorker, number>()
  const inTurn = createMutex()
  /** A destination that is not full has room for this many. */
  const sliceLimit = Math.max(1, Math.min(SLICE, Math.floor(deps.queueLimit / 2)))

  async function takeSlice(assignment: Assignment, entries: readonly LogEntry[]): Promise<void> {
    const batch = createSpillBatch({ lanes: store.lanes, fenced, clock })
    await inTurn(async () => {
      if (assignment.state !== 'open') return
      await waitForRoom(entries)
      const lookups = await lookUpRows(entries)
      const touched = assignment.state === 'open' ? decide(assignment, entries, lookups, batch) : []
      for (const lookup of lookups.values()) lookup.close()
      for (const worker of touched) worker.pump()
    })
    // Other partitions have other orders, so they need not wait for this write.
    await batch.write()
  }

  /** Synchronous, because the lookups are right only until the next `await`; and so is what each lane has in memory. */
  function decide(
    assignment: Assignment,
    entries: readonly LogEntry[],
    lookups: ReadonlyMap<DestinationWorker, LaneLookup>,
    batch: SpillBatch,
  ): Iterable<DestinationWorker> {
    const touched = new Set<DestinationWorker>()
    for (const { position, event } of entries) {
      const subscribers = subscriptions.subscribersOf(event).filter(({ id }) => !assignment.isDone(id, position))
      const slot = assignment.take(
        position,
        subscribers.map(({ id }) => id),
      )
      for (const worker of subscribers) {
        const inStore = lookups.get(worker)?.has(event.orderKey) ?? worker.mayHaveRows
        worker.accept(event, slot, inStore, batch)
        touched.add(worker)
      }
    }
    return touched
  }

  /** Asks each destination that may have rows which orders of these entries have one. */
  async function lookUpRows(entries: readonly LogEntry[]): Promise<ReadonlyMap<DestinationWorker, LaneLookup>> {
    const keys = new Map<DestinationWorker, Set<string>>()
    for (const { event } of entries)
      for (const worker of subscriptions.subscribersOf(event)) {
        if (!worker.mayHaveRows) continue
        const wanted = keys.get(worker)
        if (wanted) wanted.add(event.orderKey)
        else keys.set(worker, new Set([event.orderKey]))
      }
    const lookups = new Map<DestinationWorker, LaneLookup>()
    if (keys.size === 0) return lookups
    await Promise.all(
      [...keys].map(async ([worker, wanted]) => {
        const lookup = await worker.lookUpLanes([...wanted])
        if (lookup) lookups.set(worker, lookup)
      }),
    )
    return lookups
  }

  /**
   * Waits until the destinations that want these entries have room for them. Waiting costs the others nothing as long as they have events
   * in memory to send. Once one of them runs out, or the full ones make no progress, those that are still full count as slow.
   */
  async function waitForRoom(entries: readonly LogEntry[]): Promise<void> {
    const begin = clock.monotonic()
    const wanting = new Set<DestinationWorker>()
    for (const { event } of entries) for (const worker of subscriptions.subscribersOf(event)) wanting.add(worker)
    let full = [...wanting].filter(worker => worker.full && (slowUntil.get(worker) ?? begin) <= begin)
    if (full.length === 0) return
    const room = Promise.all(full.map(worker => worker.room()))
    let progress = { at: begin, queued: queuedIn(full) }
    while (full.length > 0) {
      await endsWithin(clock, WAIT_MS, room)
      full = full.filter(worker => worker.full)
      const now = clock.monotonic()
      const queued = queuedIn(full)
      if (queued < progress.queued) progress = { at: now, queued }
      const mayWait = now - progress.at < STUCK_MS && now - begin < LONGEST_WAIT_MS
      if (mayWait && ![...workers.values()].some(worker => worker.idle)) continue
      for (const worker of full) slowUntil.set(worker, now + SLOW_FOR_MS)
      return
    }
  }

  return {
    async take(assignment, entries) {
      for (let left = entries; left.length > 0; ) {
        if (assignment?.state !== 'open') return
        const slice = within(left.slice(0, sliceLimit), SLICE_SIZE, ({ event }) => event.body.length)
        await takeSlice(assignment, slice)
        left = left.slice(slice.length)
      }
    },
  }
}

const queuedIn = (workers: readonly DestinationWorker[]): number => workers.reduce((sum, { queued }) => sum + queued, 0)
