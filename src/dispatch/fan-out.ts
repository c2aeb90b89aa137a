import type { LogEntry } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { endsWithin } from '../lib/deadline.ts'
import { within } from '../lib/page-size.ts'
import type { Store } from '../store/store.ts'
import type { Assignment } from './assignment.ts'
import type { DestinationWorker, LaneLookup } from './destination-worker.ts'
import type { Persist } from './persist.ts'
import { createSpillBatch, type SpillBatch } from './spill.ts'
import type { Subscriptions } from './subscriptions.ts'

/** Takes entries of the log in: each into the memory of every destination that wants it, or into the store. */
export interface FanOut {
  /** Resolves when all are taken in; early when the assignment ends, and then the rest is for the next owner. */
  take(assignment: Assignment | undefined, entries: readonly LogEntry[]): Promise<void>
}

/** Entries decided on at a time; between two slices full destinations get a moment to work their queue off. */
const SLICE = 250
/** And no more than so many characters of events: what is set aside of a slice is one write. */
const SLICE_SIZE = 8 * 1024 * 1024
/**
 * How long full destinations are waited for: shortly, or longer where no other destination waits with us. And for how long they are
 * not waited for any more, if that was in vain.
 */
const [BREATH, LONG_BREATH, SLOW_FOR] = [20, 1_000, 1_000]

export function createFanOut(deps: {
  store: Pick<Store, 'lanes'>
  routes: Subscriptions<DestinationWorker>
  workers: ReadonlyMap<string, DestinationWorker>
  persist: Persist
  clock: Clock
}): FanOut {
  const { store, routes, workers, persist, clock } = deps
  const slowUntil = new WeakMap<DestinationWorker, number>()

  async function takeSlice(assignment: Assignment, entries: readonly LogEntry[]): Promise<void> {
    const questions = await askRows(entries)
    const batch = createSpillBatch({ lanes: store.lanes, persist, clock })
    const touched = assignment.state === 'open' ? decide(assignment, entries, questions, batch) : []
    for (const question of questions.values()) question.close()
    for (const worker of touched) worker.pump()
    await batch.write()
    await waitForRoom(touched)
  }

  /** All in one turn: nothing may come between the answers about rows, the decisions, and the begin of the write. */
  function decide(
    assignment: Assignment,
    entries: readonly LogEntry[],
    questions: ReadonlyMap<DestinationWorker, LaneLookup>,
    batch: SpillBatch,
  ): Iterable<DestinationWorker> {
    const touched = new Set<DestinationWorker>()
    for (const { position, event } of entries) {
      const takers = routes.subscribersOf(event).filter(({ id }) => !assignment.isDone(id, position))
      const slot = assignment.take(
        position,
        takers.map(({ id }) => id),
      )
      for (const worker of takers) {
        const inStore = questions.get(worker)?.has(event.orderKey) ?? worker.mayHaveRows
        worker.accept(event, slot, inStore, batch)
        touched.add(worker)
      }
    }
    return touched
  }

  /** Asks each destination that may have rows at all which orders of these entries have one. */
  async function askRows(entries: readonly LogEntry[]): Promise<ReadonlyMap<DestinationWorker, LaneLookup>> {
    const keys = new Map<DestinationWorker, Set<string>>()
    for (const { event } of entries)
      for (const worker of routes.subscribersOf(event)) {
        if (!worker.mayHaveRows) continue
        const wanted = keys.get(worker)
        if (wanted) wanted.add(event.orderKey)
        else keys.set(worker, new Set([event.orderKey]))
      }
    const questions = new Map<DestinationWorker, LaneLookup>()
    if (keys.size === 0) return questions
    await Promise.all(
      [...keys].map(async ([worker, wanted]) => {
        const question = await worker.lookUpLanes([...wanted])
        if (question) questions.set(worker, question)
      }),
    )
    return questions
  }

  /**
   * A burst fills a queue faster than any destination empties it; a short wait often saves writing the rest of the burst down.
   * A destination that made no room in that time is slow, and is not waited for again soon.
   */
  async function waitForRoom(touched: Iterable<DestinationWorker>): Promise<void> {
    const now = clock.monotonic()
    const full = [...touched].filter(worker => worker.full && (slowUntil.get(worker) ?? now) <= now)
    if (full.length === 0) return
    const others = [...workers.values()].some(worker => worker.open && !worker.full)
    await endsWithin(clock, others ? BREATH : LONG_BREATH, Promise.race(full.map(worker => worker.room())))
    for (const worker of full) if (worker.full) slowUntil.set(worker, now + SLOW_FOR)
  }

  return {
    async take(assignment, entries) {
      for (let left = entries; left.length > 0; ) {
        if (assignment?.state !== 'open') return
        const slice = within(left.slice(0, SLICE), SLICE_SIZE, ({ event }) => event.body.length)
        await takeSlice(assignment, slice)
        left = left.slice(slice.length)
      }
    },
  }
}
