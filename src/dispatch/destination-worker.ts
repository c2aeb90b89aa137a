import type { Consumption, EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createPageSize, within } from '../lib/page-size.ts'
import type { ReplayRow } from '../store/port/replays.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createAdmission, GIVE_UP_AFTER, type HealthChange } from './admission.ts'
import type { Assignment } from './assignment.ts'
import { createReport } from './attempt-report.ts'
import type { AttemptRecorder } from './attempts.ts'
import { createBacklogReader } from './backlog-reader.ts'
import type { Destination } from './destination.ts'
import { createLaneWrites } from './lane-writes.ts'
import { createLanes, type Lanes } from './lanes.ts'
import type { Memory } from './memory.ts'
import type { Persist } from './persist.ts'
import { createReplays } from './replays.ts'
import { createSpillBatch, type SpillOwner } from './spill.ts'

/** Everything about delivering to one destination, from its first event to its removal. */
export interface DestinationWorker
  extends SpillOwner,
    Pick<Lanes, 'accept' | 'pump' | 'full' | 'room' | 'dropClosed' | 'spillAll' | 'waiting'> {
  readonly destination: Destination
  /** It can be sent to. */
  readonly open: boolean
  readonly circuitOpen: boolean
  /** Its lanes may have rows in the store. False: they certainly have none. */
  readonly mayHaveRows: boolean
  /**
   * Which of these orders have a row. Until the question is closed, those that get one are added to the answer; so what is decided
   * in the same turn as it is closed is decided by the truth. null: we stopped.
   */
  lookUpLanes(orderKeys: readonly string[]): Promise<LaneLookup | null>
  /** The partitions we own changed, or what is to be replayed to it. To be called before anything of a new partition is taken in. */
  ownershipChanged(requests?: readonly ReplayRow[]): void
  /** Looks for due lanes now. */
  look(): void
  /** There may be rows now that this worker did not write. */
  wake(): void
  /** The store has no rows for it, as counted while its `version` did not change. */
  noRows(version: number): void
  readonly version: number
  /** `probe`: an open circuit may try again now. */
  configure(destination: Destination, options: { probe: boolean }): void
  /** Resolves when no write is under way. */
  writesDone(): Promise<void>
  /** No new sends, no timers. */
  stop(): void
  /** The destination is no more. Resolves when nothing of it is being written any more. */
  remove(): Promise<void>
}

export interface LaneLookup {
  has(orderKey: string): boolean
  close(): void
}

/** Events of a lane loaded at a time. */
const CHUNK = 16
/** And about so many characters of them; always one event. */
const CHUNK_SIZE = 128 * 1024

export interface DestinationWorkerDeps {
  readonly store: Pick<Store, 'lanes' | 'replays'>
  readonly eventLog: Pick<EventLog, 'partitions' | 'partitionOf' | 'commitPublishes' | 'ownsAllPartitions'>
  readonly persist: Persist
  readonly recorder: AttemptRecorder
  readonly metrics: Metrics
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  readonly queueLimit: number
  readonly fresh: () => boolean
  readonly memory: Memory
  readonly assignments: ReadonlyMap<number, Assignment>
  readonly disable: (id: string, reason: string, changedAt?: number) => Promise<void>
  readonly group: string
  readonly caughtUp: Consumption['caughtUp']
  readonly holds: Consumption['holds']
  /** Asks for a count of rows: there seem to be none. */
  readonly recount: () => void
}

const DOUBT_EVERY = 3_600_000
const EXPIRED = 'every delivery failed for 5 days'

export function createDestinationWorker(
  deps: DestinationWorkerDeps & { destination: Destination; requests: readonly ReplayRow[] },
): DestinationWorker {
  const { store, persist, clock, log, eventLog, assignments } = deps
  const { id } = deps.destination
  let destination = deps.destination
  let mayHaveRows = true
  let version = 0
  let spilling = 0
  let nextCheckAt = 0
  const spillsDone: (() => void)[] = []
  /** Rests that are being written down. */
  const resting = new Set<Promise<unknown>>()
  /** Open questions: a lane that leaves memory for the store is added to their answers. */
  const questions = new Set<{ readonly rows: Set<string>; stale: boolean }>()

  const replays = createReplays({
    ...deps,
    destination: () => destination,
    setAside: of => lanes.spillAndWait(of),
    changed() {
      rowsChanged()
      applyState()
      backlog.lookNow()
    },
  })
  replays.configure(deps.requests)
  /** As the admission knows it: a destination whose past is not queued yet is as good as paused. */
  const admissionState = () => (replays.opening && destination.state === 'active' ? 'paused' : destination.state)
  let state = admissionState()
  const admission = createAdmission({ clock, destination: gated(), rests })
  const writes = createLaneWrites({ destination, lanes: store.lanes, persist, clock })
  const report = createReport({ ...deps, destination: id })
  const chunk = createPageSize({ most: CHUNK, bytes: CHUNK_SIZE })
  const openBatch = () => createSpillBatch({ lanes: store.lanes, persist, clock })

  function rowsChanged(): void {
    version++
    mayHaveRows = true
  }

  const owner: SpillOwner = {
    id,
    kind: destination.kind,
    spilling() {
      spilling++
      rowsChanged()
    },
    spilled() {
      spilling--
      if (spilling === 0) for (const resolve of spillsDone.splice(0)) resolve()
      rowsChanged()
      backlog.lookAt(clock.now())
    },
  }

  const lanes = createLanes({
    owner,
    destination: () => destination,
    admission,
    writes,
    report,
    clock,
    random: deps.random,
    queueLimit: deps.queueLimit,
    fresh: deps.fresh,
    memory: deps.memory.share(),
    openBatch,
    load: orderKey =>
      persist('a look at a lane', async () => {
        const events = await store.lanes.head(id, orderKey, chunk.limit)
        chunk.seen(
          events.length,
          events.reduce((sum, { body }) => sum + body.length, 0),
        )
        return within(events, CHUNK_SIZE, ({ body }) => body.length).map(event => ({ event, origin: event.origin }))
      }),
    left(orderKey, nextAt) {
      for (const { rows } of questions) rows.add(orderKey)
      rowsChanged()
      backlog.lookAt(nextAt)
      backlog.laneFreed()
    },
    emptied: () => backlog.laneFreed(),
    healthChanged,
    failed: error => log.error({ destination: id, error: messageOf(error) }, 'a lane went wrong; it is taken up again'),
  })

  const backlog = createBacklogReader({
    destination: id,
    concurrency: () => destination.delivery.concurrency,
    admission,
    lanes,
    store: store.lanes,
    persist,
    clock,
    owned: () =>
      eventLog.ownsAllPartitions ? null : { partitions: eventLog.partitions, of: new Set(assignments.keys()) },
    assignmentOf: orderKey => assignments.get(eventLog.partitionOf(orderKey)) ?? null,
    owns: () => assignments.size > 0,
    mayHaveRows: () => mayHaveRows,
    dry: () => {
      if (mayHaveRows) deps.recount()
    },
  })

  function healthChanged(turn: Exclude<HealthChange, 'none'>): void {
    if (turn === 'recovered') {
      log.info({ destination: id }, 'circuit closed: the endpoint answers again')
      void makeAllDue()
      return
    }
    if (turn === 'failing' || turn === 'shut') void checkFailingSince()
    if (turn === 'failing') return
    if (turn === 'gone') disable('the endpoint answered 410 Gone')
    else if (turn === 'expired') disable(EXPIRED)
    else log.warn({ destination: id, circuit: admission.circuitOpen ? 'open' : 'closed' }, 'no deliveries for a while')
    void lanes.spillAll()
    backlog.lookNow()
  }

  /** This process may have been started a moment ago, and the endpoint have failed for days. */
  async function checkFailingSince(): Promise<void> {
    if (clock.monotonic() < nextCheckAt) return
    nextCheckAt = clock.monotonic() + DOUBT_EVERY
    const asked = destination
    const since = await persist('how long an endpoint has failed', async () => (await asked.failingSince?.()) ?? null)
    if (since !== null && clock.now() - since >= GIVE_UP_AFTER && destination === asked) disable(EXPIRED)
  }

  function rests(until: number): void {
    destination = { ...destination, restUntil: until }
    const written = persist('the rest an endpoint asked for', async () => destination.rest?.(until)).finally(() =>
      resting.delete(written),
    )
    resting.add(written)
  }

  /** What waits for a retry far away goes now: the reason to wait is gone. */
  async function makeAllDue(): Promise<void> {
    await persist('lanes made due', () => store.lanes.makeDue(id, clock.now()))
    backlog.lookNow()
  }

  /**
   * As the admission is to see it. Several dispatchers keep one rate limit together: each keeps to the part of it that its partitions are of all;
   * one that lags behind in learning of a change may exceed its part for a moment, and the others know nothing of it.
   */
  function gated() {
    const { delivery } = destination
    const share = Math.max(1, assignments.size) / eventLog.partitions
    if (!delivery.rateLimit || share >= 1) return { ...destination, state }
    const { perSecond, burst } = delivery.rateLimit
    const rateLimit = { perSecond: perSecond * share, burst: Math.max(1, Math.floor(burst * share)) }
    return { ...destination, state, delivery: { ...delivery, rateLimit } }
  }

  /** Brings the admission in line with the destination, its past and our partitions. */
  function applyState(): void {
    const before = { state, resting: admission.resting }
    state = admissionState()
    admission.configure(gated())
    if (state === 'active' && before.state === 'active' && admission.resting !== before.resting) {
      if (admission.resting) {
        void lanes.spillAll()
        backlog.lookNow()
      } else void makeAllDue()
    }
    if (state !== 'active' && before.state === 'active') void lanes.spillAll()
    if (state === 'active' && before.state !== 'active') {
      // Rows may have come since these were asked.
      for (const question of questions) question.stale = true
      void makeAllDue()
    }
  }

  async function settled(): Promise<void> {
    await Promise.all([writes.idle(), ...resting])
  }

  function disable(reason: string): void {
    // What was in flight may say so, too.
    if (destination.state === 'disabled') return
    log.error({ destination: id, reason }, 'endpoint disabled; its events wait for `endpoints resume`')
    const { changedAt } = destination
    destination = { ...destination, state: 'disabled' }
    applyState()
    void persist('a disabled endpoint', () => deps.disable(id, reason, changedAt))
  }

  return {
    ...owner,
    get destination() {
      return destination
    },
    get open() {
      return admission.open
    },
    get circuitOpen() {
      return admission.circuitOpen
    },
    get mayHaveRows() {
      return mayHaveRows
    },
    get version() {
      return version
    },
    accept: lanes.accept,
    pump: lanes.pump,
    get full() {
      return lanes.full
    },
    room: lanes.room,
    look: backlog.lookNow,
    dropClosed: lanes.dropClosed,
    async lookUpLanes(orderKeys) {
      const question = { rows: new Set<string>(), stale: false }
      questions.add(question)
      const found = await persist('a look for lanes', () => store.lanes.existing(id, orderKeys))
      if (found === null) {
        questions.delete(question)
        return null
      }
      for (const orderKey of found) question.rows.add(orderKey)
      return {
        has: orderKey => question.stale || question.rows.has(orderKey),
        close: () => void questions.delete(question),
      }
    },
    ownershipChanged(requests) {
      replays.configure(requests)
      applyState()
    },
    wake() {
      rowsChanged()
      backlog.lookNow()
    },
    noRows(counted) {
      if (counted === version && spilling === 0 && lanes.storedCount === 0) mayHaveRows = false
    },
    configure(next, { probe }) {
      destination = next
      applyState()
      if (probe && admission.probe()) backlog.lookNow()
      lanes.pump()
    },
    spillAll: lanes.spillAll,
    waiting: lanes.waiting,
    writesDone: settled,
    stop() {
      replays.stop()
      backlog.stop()
    },
    async remove() {
      replays.stop()
      backlog.stop()
      lanes.remove()
      if (spilling > 0) await new Promise<void>(resolve => spillsDone.push(resolve))
      await settled()
    },
  }
}
