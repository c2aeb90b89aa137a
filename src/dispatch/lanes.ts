import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Admission, HealthChange } from './admission.ts'
import type { Assignment, Slot } from './assignment.ts'
import { ABORTED, attempted, fateOf } from './attempt.ts'
import type { AttemptReport, Fate } from './attempt-report.ts'
import type { Destination, Outcome } from './destination.ts'
import { createLane, type Item, type Lane } from './lane.ts'
import type { LaneWrites } from './lane-writes.ts'
import type { MemoryShare } from './memory.ts'
import type { SpillBatch, SpillOwner } from './spill.ts'

/** The lanes of one destination that are in memory: takes events in, sends the heads, and does what follows from each attempt. */
export interface Lanes {
  /** Order keys in memory. */
  keys(): ReadonlySet<string>
  has(orderKey: string): boolean
  /** There is not enough room in memory for many more live events, though the destination takes some. */
  readonly full: boolean
  /** Resolves when there is. */
  room(): Promise<void>
  /** The events that are in memory only, those in flight as well. `oldest`: when the first of them was observed. */
  waiting(): { size: number; oldestObservedAt: number | null }
  /** How many of them are worked off from the store. */
  readonly storedCount: number
  /** Characters of what is in memory of those. */
  readonly storedSize: number
  /**
   * Takes an event: into memory, or into `batch` (with what is in memory of its lane). `inStore`: the lane may have a row.
   * Afterwards `pump`.
   */
  accept(event: EventRecord, slot: Slot, inStore: boolean, batch: SpillBatch): void
  /** A lane whose row is due: its head is loaded and sent. */
  open(orderKey: string, assignment: Assignment, attempt: number): void
  /** Sends what may be sent. */
  pump(): void
  /** Everything in memory goes to the store, what is in flight as well (its end still counts); `of`: of these assignments only. Resolves with the write. */
  spillAll(of?: ReadonlySet<Assignment>): Promise<boolean>
  /** The same of these assignments, and what was in flight from memory has ended. */
  spillAndWait(of: ReadonlySet<Assignment>): Promise<boolean>
  /** Forgets the lanes of assignments that are not open, but for what is in flight. */
  dropClosed(): void
  /** The destination is no more: nothing waits for it. */
  remove(): void
}

/** Lanes waiting for a write to finish; beyond that sends pause, so that a slow store is not run over. */
const WRITING_LIMIT = 256
/** A retry without a schedule, e.g. when the process dies between a failure and its dead letter. */
const SPARE_PAUSE = 5_000
const VOID_PAUSE = 3_600_000
const STALE_PAUSE = 50

export function createLanes(deps: {
  owner: SpillOwner
  destination: () => Destination
  admission: Admission
  writes: LaneWrites
  report: (report: AttemptReport) => void
  clock: Clock
  random: () => number
  /** Live events it may have in memory; what comes on top goes to the store. */
  queueLimit: number
  /** And so much of the memory. */
  memory: MemoryShare
  /** False: another process may have taken our partitions over, and we are about to learn it. */
  fresh: () => boolean
  openBatch: () => SpillBatch
  /** The first events of a lane; null: we stopped. */
  load: (orderKey: string) => Promise<readonly Omit<Item, 'slot'>[] | null>
  /** A lane left memory; it has (or may have) a row that is due at `nextAt`. */
  left: (orderKey: string, nextAt: number) => void
  /** A lane left memory and has no row. */
  emptied: () => void
  healthChanged: (change: Exclude<HealthChange, 'none'>) => void
  /** Runs background work; an unexpected error is logged and its lane goes back to the store. */
  failed: (error: unknown) => void
}): Lanes {
  const { owner, admission, writes, clock, memory } = deps
  const lanes = new Map<string, Lane>()
  let ready: Lane[] = []
  let queued = 0
  let sending = 0
  let writing = 0
  let storedCount = 0
  let discarded = false
  let cancelAlarm: (() => void) | null = null
  let waiters: (() => void)[] = []

  // ── in and out of memory ──

  function unqueue(items: readonly Item[]): void {
    queued -= items.length
    for (const { event } of items) memory.release(event.body.length)
  }

  function drop(lane: Lane): boolean {
    if (lanes.get(lane.orderKey) !== lane) return false
    lanes.delete(lane.orderKey)
    if (lane.stored) storedCount--
    else unqueue(lane.queue)
    lane.queue = []
    return true
  }

  /** Its events stay in the store. */
  function dropToStore(lane: Lane, nextAt: number): void {
    if (drop(lane)) deps.left(lane.orderKey, nextAt)
  }

  function markStored(lane: Lane, storing: Promise<unknown>): Item[] {
    const items = lane.queue
    unqueue(items)
    storedCount++
    lane.stored = true
    lane.queue = []
    lane.storing = storing
    return items
  }

  /** A lane in memory goes to the store as a whole; what is in flight stays in flight. */
  function spillLane(lane: Lane, batch: SpillBatch): void {
    const items = markStored(lane, batch.written)
    for (const item of items) {
      batch.add(owner, item.event, item.slot)
      item.slot = null
    }
    if (lane.busy) lane.queue = items.slice(0, 1)
    void batch.written.then(() => {
      lane.storing = null
      if (!lane.busy) dropToStore(lane, clock.now())
    })
  }

  function enqueue(lane: Lane): void {
    lane.busy = false
    ready.push(lane)
  }

  async function load(lane: Lane): Promise<void> {
    lane.busy = true
    const items = await deps.load(lane.orderKey)
    if (items === null || !mayWork(lane)) return dropToStore(lane, clock.now())
    if (items.length === 0) {
      // A row whose events are gone from the history. It is not looked at again soon, and never in a circle.
      const nextAt = clock.now() + VOID_PAUSE
      await writes.reschedule({ orderKey: lane.orderKey, nextAt, attempt: lane.attempt })
      return dropToStore(lane, nextAt)
    }
    lane.queue = items.map(item => ({ ...item, slot: null }))
    enqueue(lane)
  }

  const mayWork = (lane: Lane) => !discarded && lane.assignment.state === 'open' && admission.blockedFor() === 0

  // ── sending ──

  function pump(): void {
    if (waiters.length > 0 && queued <= deps.queueLimit / 2 && !memory.full) {
      for (const resolve of waiters) resolve()
      waiters = []
    }
    cancelAlarm?.()
    cancelAlarm = null
    if (discarded) return
    const { concurrency } = deps.destination().delivery
    while (ready.length > 0 && sending < concurrency && writing < WRITING_LIMIT) {
      const [lane] = ready
      if (!lane) return
      const sendable = lanes.get(lane.orderKey) === lane && !lane.busy && lane.queue.length > 0
      if (!sendable || lane.assignment.state !== 'open') {
        ready.shift()
        continue
      }
      const wait = deps.fresh() ? admission.wait() : STALE_PAUSE
      if (wait > 0) {
        if (wait !== Number.POSITIVE_INFINITY) cancelAlarm = clock.after(wait, pump)
        return
      }
      ready.shift()
      send(lane)
    }
  }

  function send(lane: Lane): void {
    const [item] = lane.queue
    if (!item) return
    const { assignment } = lane
    const sent = { item, attempt: lane.attempt + 1, at: clock.now(), begun: clock.monotonic() }
    lane.busy = true
    sending++
    assignment.begin()
    admission.sent()
    const context = { attempt: sent.attempt, replay: item.origin === 'replay', signal: assignment.signal }
    attempted(deps.destination, item.event, context).then(outcome => finished(lane, sent, outcome))
  }

  function finished(lane: Lane, sent: Sent, answer: Outcome): void {
    sending--
    const aborted = answer.result === 'aborted' && lane.assignment.signal.aborted
    const outcome: Outcome = answer.result === 'aborted' && !aborted ? { ...answer, result: 'retry' } : answer
    if (discarded || lane.assignment.state === 'closed' || lanes.get(lane.orderKey) !== lane) {
      admission.note(ABORTED, lane.orderKey)
      drop(lane)
      lane.ended?.()
      lane.assignment.end()
      pump()
      return
    }
    const turn = admission.note(outcome, lane.orderKey)
    const fate = aborted
      ? null
      : fateOf(outcome, sent.attempt, { delivery: deps.destination().delivery, clock, random: deps.random })
    if (fate) {
      const { item, attempt, at, begun } = sent
      deps.report({ event: item.event, origin: item.origin, attempt, at, ms: clock.monotonic() - begun, outcome, fate })
    }
    if (fate?.kind === 'delivered' && !lane.stored) {
      sent.item.slot?.assignment.release(sent.item.slot, owner.id)
      unqueue(lane.queue.splice(0, 1))
      if (lane.queue.length > 0) enqueue(lane)
      else drop(lane)
      lane.assignment.end()
    } else {
      writing++
      recordOutcome(lane, sent, outcome, fate)
        .catch(error => {
          deps.failed(error)
          dropToStore(lane, clock.now() + SPARE_PAUSE)
        })
        .finally(() => {
          writing--
          lane.ended?.()
          lane.assignment.end()
          pump()
        })
    }
    if (turn !== 'none') deps.healthChanged(turn)
    pump()
  }

  /** What has to be written after an attempt, and where the lane goes then. */
  async function recordOutcome(lane: Lane, sent: Sent, outcome: Outcome, fate: Fate | null): Promise<void> {
    if (lane.stored && lane.storing) await lane.storing
    // Aborted: what is in the store waits there, what is not is read from the log again.
    if (fate === null) return dropToStore(lane, clock.now())
    if (fate.kind === 'delivered') return acknowledge(lane, sent)
    const { item, attempt } = sent
    const nextAt = fate.kind === 'retry' ? fate.nextAt : clock.now() + (fate.kind === 'bury' ? SPARE_PAUSE : 0)
    const counted = fate.kind === 'keep' ? attempt - 1 : attempt
    if (lane.stored) {
      if (lane.flushed && (await lane.flushed) === null) return dropToStore(lane, nextAt)
      if (fate.kind !== 'bury') await writes.reschedule({ orderKey: lane.orderKey, nextAt, attempt: counted })
    } else {
      const { promise, resolve } = Promise.withResolvers<void>()
      const items = markStored(lane, promise)
      const events = items.map(entry => entry.event)
      const done = await writes.spill({ events, nextAt, attempt: counted })
      lane.storing = null
      resolve()
      if (!done) return dropToStore(lane, nextAt)
      for (const { slot } of items) slot?.assignment.release(slot, owner.id)
    }
    if (fate.kind !== 'bury') return dropToStore(lane, nextAt)
    await writes.deadLetter({
      orderKey: lane.orderKey,
      eventId: item.event.id,
      at: clock.now(),
      attempts: attempt,
      lastError: outcome.error ?? 'failed',
      hold: deps.destination().delivery.onExhausted === 'hold',
    })
    dropToStore(lane, clock.now())
  }

  /** The head of a lane of the store is delivered: on with the next, while the write that says so is under way. */
  async function acknowledge(lane: Lane, sent: Sent): Promise<void> {
    const flushed = writes.delivered(lane.orderKey, sent.item.event.id)
    lane.flushed = flushed
    lane.queue.shift()
    lane.attempt = 0
    if (lane.queue.length > 0 && mayWork(lane)) {
      enqueue(lane)
      pump()
      await flushed
      return
    }
    const empty = await flushed
    if (empty?.has(lane.orderKey)) {
      if (drop(lane)) deps.emptied()
    } else if (empty && mayWork(lane)) await load(lane)
    else dropToStore(lane, clock.now())
  }

  function spillAll(of?: ReadonlySet<Assignment>): Promise<boolean> {
    const batch = deps.openBatch()
    for (const lane of [...lanes.values()]) {
      if (lane.assignment.state !== 'open' || (of && !of.has(lane.assignment))) continue
      if (!lane.stored) spillLane(lane, batch)
      else if (!lane.busy && !lane.storing) {
        const { flushed } = lane
        lane.busy = true
        lane.queue = []
        void Promise.resolve(flushed).then(() => dropToStore(lane, clock.now()))
      }
    }
    return batch.write()
  }

  return {
    keys: () => new Set(lanes.keys()),
    has: orderKey => lanes.has(orderKey),
    get storedCount() {
      return storedCount
    },
    get storedSize() {
      let size = 0
      for (const { stored, queue } of lanes.values())
        if (stored) for (const { event } of queue) size += event.body.length
      return size
    },
    get full() {
      return (queued > deps.queueLimit / 2 || memory.full) && admission.open
    },
    waiting() {
      let oldestObservedAt: number | null = null
      for (const { stored, queue } of lanes.values()) {
        const at = stored ? undefined : queue[0]?.event.observedAt
        if (at !== undefined && (oldestObservedAt === null || at < oldestObservedAt)) oldestObservedAt = at
      }
      return { size: queued, oldestObservedAt }
    },
    room: () => new Promise(resolve => waiters.push(resolve)),
    accept(event, slot, inStore, batch) {
      const lane = lanes.get(event.orderKey)
      const room = admission.open && queued < deps.queueLimit && memory.fits(event.body.length)
      if (room && !discarded && (lane ? !lane.stored : !inStore && !batch.has(owner, event.orderKey))) {
        const into = lane ?? createLane(event.orderKey, slot.assignment, false, 0)
        into.queue.push({ event, origin: 'live', slot })
        queued++
        memory.take(event.body.length)
        if (lane) return
        lanes.set(event.orderKey, into)
        enqueue(into)
        return
      }
      if (lane && !lane.stored) spillLane(lane, batch)
      else if (lane?.storing && lane.storing !== batch.written) batch.after(lane.storing)
      batch.add(owner, event, slot)
    },
    open(orderKey, assignment, attempt) {
      const lane = createLane(orderKey, assignment, true, attempt)
      lanes.set(orderKey, lane)
      storedCount++
      assignment.begin()
      load(lane)
        .catch(error => {
          deps.failed(error)
          dropToStore(lane, clock.now() + SPARE_PAUSE)
        })
        .finally(() => {
          assignment.end()
          pump()
        })
    },
    pump,
    spillAll,
    async spillAndWait(of) {
      const ends = [...lanes.values()]
        .filter(lane => !lane.stored && lane.busy && of.has(lane.assignment))
        .map(lane => new Promise<void>(resolve => (lane.ended = resolve)))
      const done = await spillAll(of)
      await Promise.all(ends)
      return done
    },
    dropClosed() {
      for (const lane of [...lanes.values()])
        if (lane.assignment.state === 'closed' || (lane.assignment.state === 'closing' && !lane.busy)) drop(lane)
      ready = ready.filter(lane => lanes.get(lane.orderKey) === lane)
    },
    remove() {
      discarded = true
      cancelAlarm?.()
      for (const lane of [...lanes.values()]) {
        for (const { slot } of lane.queue) slot?.assignment.release(slot, owner.id)
        drop(lane)
      }
      ready = []
    },
  }
}

interface Sent {
  readonly item: Item
  readonly attempt: number
  readonly at: number
  readonly begun: number
}
