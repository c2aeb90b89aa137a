import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Admission, HealthChange } from './admission.ts'
import type { Assignment, Slot } from './assignment.ts'
import { ABORTED, attempted, fateOf } from './attempt.ts'
import type { AttemptReport } from './attempt-report.ts'
import type { Destination, Outcome } from './destination.ts'
import type { Item, Lane, Sent } from './lane.ts'
import { createRecordOutcome, FALLBACK_PAUSE_MS } from './lane-outcomes.ts'
import type { LaneTable } from './lane-table.ts'
import type { LaneWrites } from './lane-writes.ts'
import type { MemoryShare } from './memory.ts'
import type { SpillBatch, SpillOwner } from './spill.ts'

/** Moves the lanes of one destination through the states that `lane.ts` draws: takes events in, sends the heads, spills. */
export interface Lanes {
  /** The destination takes events, but there is little room in memory for more. */
  readonly full: boolean
  /** The destination takes events, and there are none in memory that it could be sent now. */
  readonly idle: boolean
  /** Resolves when there is room again. */
  room(): Promise<void>
  /**
   * Takes an event into memory, or adds it to `batch` behind what its lane has in memory. `inStore`: the lane may have a row.
   * Call `pump` afterwards.
   */
  accept(event: EventRecord, slot: Slot, inStore: boolean, batch: SpillBatch): void
  /** Loads and sends a lane whose row is due. */
  open(orderKey: string, assignment: Assignment, attempt: number): void
  /** Sends what may be sent. */
  pump(): void
  /** Spills all lanes in memory, or those of the assignments `of`. Deliveries in flight go on and count. Resolves with the write. */
  spillAll(of?: ReadonlySet<Assignment>): Promise<boolean>
  /** Spills the lanes of this assignment whose first event in memory is at or before this position. Deliveries in flight go on and count. */
  spillUpTo(assignment: Assignment, position: number): Promise<boolean>
  /** Spills, and waits for spills that are under way and for the end of the deliveries in flight that came from memory. */
  spillAndWait(of: ReadonlySet<Assignment>): Promise<boolean>
  /** Drops the lanes of assignments that are not open. Of closing ones, deliveries in flight may end. */
  dropClosed(): void
  /** The destination was removed: nothing waits for it. */
  remove(): void
}

/** Sends pause while more lanes than this wait for a write: they must not outrun a slow store. */
const WRITING_LIMIT = 256
const EMPTY_ROW_PAUSE_MS = 3_600_000
const STALE_PAUSE_MS = 50

export function createLanes(deps: {
  owner: SpillOwner
  table: LaneTable
  destination: () => Destination
  admission: Admission
  writes: LaneWrites
  report: (report: AttemptReport) => void
  clock: Clock
  random: () => number
  /** Live events in memory at most; more go to the store. */
  queueLimit: number
  /** Limits their size in the same way; the share that `table` counts in. */
  memory: MemoryShare
  /** False: another process may own our partitions by now. */
  fresh: () => boolean
  openBatch: () => SpillBatch
  /** Reads the first events of a lane; null: the dispatcher stopped. */
  load: (orderKey: string) => Promise<readonly Omit<Item, 'slot'>[] | null>
  /** A lane left memory; it has (or may have) a row that is due at `nextAt`. */
  left: (orderKey: string, nextAt: number) => void
  /** A lane left memory and has no row. */
  emptied: () => void
  healthChanged: (change: Exclude<HealthChange, 'none'>) => void
  /** Logs an unexpected error; the lane goes back to the store. */
  failed: (error: unknown) => void
}): Lanes {
  const { owner, table, admission, writes, clock, memory } = deps
  /** Lanes that became `waiting` with a head to send, oldest first. Some may have changed since. */
  let ready: Lane[] = []
  let sending = 0
  let writing = 0
  let removed = false
  let cancelAlarm: (() => void) | null = null
  let waitingForRoom: (() => void)[] = []

  const mayWork = (lane: Lane) => !removed && lane.assignment.state === 'open' && admission.blockedFor() === 0

  const isFull = () => table.queued > deps.queueLimit / 2 || memory.full

  function leave(lane: Lane, nextAt: number): void {
    if (table.remove(lane)) deps.left(lane.orderKey, nextAt)
  }

  function makeReady(lane: Lane): void {
    lane.doing = 'waiting'
    ready.push(lane)
  }

  async function load(lane: Lane): Promise<void> {
    lane.doing = 'loading'
    const items = await deps.load(lane.orderKey)
    if (items === null || !mayWork(lane)) return leave(lane, clock.now())
    if (items.length === 0) {
      // The row's events are gone from the history. Looking again soon would loop.
      const nextAt = clock.now() + EMPTY_ROW_PAUSE_MS
      await writes.reschedule({ orderKey: lane.orderKey, nextAt, attempt: lane.attempt })
      return leave(lane, nextAt)
    }
    lane.queue = items.map(item => ({ ...item, slot: null }))
    makeReady(lane)
  }

  const recordOutcome = createRecordOutcome({
    ...{ owner, table, writes, clock, mayWork, load, leave },
    destination: deps.destination,
    emptied: deps.emptied,
    next(lane) {
      makeReady(lane)
      pump()
    },
  })

  // ── sending ──

  function pump(): void {
    if (waitingForRoom.length > 0 && !isFull()) {
      for (const resolve of waitingForRoom) resolve()
      waitingForRoom = []
    }
    cancelAlarm?.()
    cancelAlarm = null
    if (removed) return
    const { concurrency } = deps.destination().delivery
    while (ready.length > 0 && sending < concurrency && writing < WRITING_LIMIT) {
      const [lane] = ready
      if (!lane) return
      const sendable = table.holds(lane) && lane.doing === 'waiting' && lane.queue.length > 0
      if (!sendable || lane.assignment.state !== 'open') {
        ready.shift()
        continue
      }
      const wait = deps.fresh() ? admission.wait() : STALE_PAUSE_MS
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
    lane.doing = 'in flight'
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
    if (removed || lane.assignment.state === 'closed' || !table.holds(lane)) {
      admission.note(ABORTED, lane.orderKey)
      table.remove(lane)
      ended(lane)
      pump()
      return
    }
    const change = admission.note(outcome, lane.orderKey)
    const fate = aborted
      ? null
      : fateOf(outcome, sent.attempt, { delivery: deps.destination().delivery, clock, random: deps.random })
    if (fate) {
      const { item, attempt, at, begun } = sent
      deps.report({ event: item.event, origin: item.origin, attempt, at, ms: clock.monotonic() - begun, outcome, fate })
    }
    if (fate?.kind === 'delivered' && lane.place === 'memory') {
      deliveredFromMemory(lane, sent.item)
      ended(lane)
    } else {
      writing++
      recordOutcome(lane, sent, outcome, fate)
        .catch(error => {
          deps.failed(error)
          leave(lane, clock.now() + FALLBACK_PAUSE_MS)
        })
        .finally(() => {
          writing--
          ended(lane)
          pump()
        })
    }
    if (change !== 'none') deps.healthChanged(change)
    pump()
  }

  function deliveredFromMemory(lane: Lane, { slot }: Item): void {
    slot?.assignment.release(slot, owner.id)
    table.shift(lane)
    if (lane.queue.length > 0) makeReady(lane)
    else table.remove(lane)
  }

  function ended(lane: Lane): void {
    lane.onEnd?.()
    lane.assignment.end()
  }

  // ── spilling ──

  /** Spills a lane of place `memory`. A delivery in flight goes on. */
  function spillLane(lane: Lane, batch: SpillBatch): void {
    for (const item of table.spill(lane, batch.written)) {
      batch.add(owner, item, lane.assignment)
      item.slot = null
    }
    void batch.written.then(() => {
      lane.place = 'stored'
      if (lane.doing !== 'in flight') leave(lane, clock.now())
    })
  }

  /** A stored lane that only waits leaves memory, once its acknowledgements are written. */
  function leaveWhenWritten(lane: Lane): void {
    lane.doing = 'leaving'
    lane.queue = []
    void Promise.resolve(lane.acknowledged).then(() => leave(lane, clock.now()))
  }

  function spillAll(of?: ReadonlySet<Assignment>): Promise<boolean> {
    const batch = deps.openBatch()
    for (const lane of table.all()) {
      if (lane.assignment.state !== 'open' || (of && !of.has(lane.assignment))) continue
      if (lane.place === 'memory') spillLane(lane, batch)
      else if (lane.place === 'stored' && lane.doing === 'waiting') leaveWhenWritten(lane)
    }
    return batch.write()
  }

  return {
    get full() {
      return admission.open && isFull()
    },
    get idle() {
      return admission.open && !isFull() && ready.length === 0 && sending < deps.destination().delivery.concurrency
    },
    room: () => new Promise(resolve => waitingForRoom.push(resolve)),
    accept(event, slot, inStore, batch) {
      const lane = table.get(event.orderKey)
      const fits = !removed && admission.open && table.queued < deps.queueLimit && memory.fits(event.body.length)
      const inOrder = lane ? lane.place === 'memory' : !inStore && !batch.has(owner, event.orderKey)
      if (fits && inOrder) {
        const into = lane ?? table.add(event.orderKey, slot.assignment, 'memory', 0)
        table.push(into, { event, origin: 'live', slot })
        if (!lane) makeReady(into)
        return
      }
      if (lane?.place === 'memory') spillLane(lane, batch)
      else if (lane?.place === 'spilling' && lane.spilled && lane.spilled !== batch.written) batch.after(lane.spilled)
      batch.add(owner, { event, slot }, slot.assignment)
    },
    open(orderKey, assignment, attempt) {
      const lane = table.add(orderKey, assignment, 'stored', attempt)
      assignment.begin()
      load(lane)
        .catch(error => {
          deps.failed(error)
          leave(lane, clock.now() + FALLBACK_PAUSE_MS)
        })
        .finally(() => {
          assignment.end()
          pump()
        })
    },
    pump,
    spillAll,
    spillUpTo(assignment, position) {
      const batch = deps.openBatch()
      for (const lane of table.all()) {
        const first =
          lane.assignment === assignment && lane.place === 'memory' ? lane.queue[0]?.slot?.position : undefined
        if (first !== undefined && first <= position) spillLane(lane, batch)
      }
      return batch.write()
    },
    async spillAndWait(of) {
      const lanes = table.all().filter(lane => of.has(lane.assignment))
      const ends = lanes
        .filter(lane => lane.place === 'memory' && lane.doing === 'in flight')
        .map(lane => new Promise<void>(resolve => (lane.onEnd = resolve)))
      const underWay = lanes.filter(lane => lane.place === 'spilling').map(lane => lane.spilled)
      const done = await spillAll(of)
      await Promise.all([...ends, ...underWay])
      return done
    },
    dropClosed() {
      for (const lane of table.all()) {
        const { state } = lane.assignment
        if (state === 'closed' || (state === 'closing' && lane.doing === 'waiting')) table.remove(lane)
      }
      ready = ready.filter(table.holds)
    },
    remove() {
      removed = true
      cancelAlarm?.()
      for (const lane of table.all()) {
        for (const { slot } of lane.queue) slot?.assignment.release(slot, owner.id)
        table.remove(lane)
      }
      ready = []
    },
  }
}
