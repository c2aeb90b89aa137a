import type { Consumption, EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createPageSize, within } from '../lib/page-size.ts'
import type { ReplayRow } from '../store/port/replays.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createAdmission, DISABLE_AFTER_MS, type HealthChange } from './admission.ts'
import type { Assignment } from './assignment.ts'
import { createReport } from './attempt-report.ts'
import type { AttemptRecorder } from './attempts.ts'
import { createBacklogReader } from './backlog-reader.ts'
import type { Destination } from './destination.ts'
import type { FencedWrites } from './fenced-writes.ts'
import { createKnownRows, type KnownRows } from './known-rows.ts'
import { createLaneTable, type LaneTable } from './lane-table.ts'
import { createLaneWrites } from './lane-writes.ts'
import { createLanes, type Lanes } from './lanes.ts'
import type { Memory } from './memory.ts'
import type { Persist } from './persist.ts'
import { createReplays } from './replays.ts'
import { createSpillBatch, type SpillOwner } from './spill.ts'

/** Everything about delivering to one destination, from its first event to its removal. */
export interface DestinationWorker
  extends SpillOwner,
    Pick<Lanes, 'accept' | 'pump' | 'full' | 'room' | 'dropClosed' | 'spillAll' | 'spillUpTo'>,
    Pick<LaneTable, 'waiting' | 'queued'> {
  readonly destination: Destination
  /** Events may wait in memory for it: it is active, its circuit is closed and it does not rest. */
  readonly open: boolean
  readonly circuitOpen: boolean
  /** It could be sent more than there is in memory, or waits until the log is taken in to its end. */
  readonly idle: boolean
  /** False: its lanes certainly have no rows in the store. */
  readonly mayHaveRows: boolean
  readonly lookUpLanes: KnownRows['lookUp']
  /** Call it when our partitions or the replays to it changed, before events of a new partition are taken in. */
  ownershipChanged(requests?: readonly ReplayRow[]): void
  /** Looks for due lanes now. */
  look(): void
  /** There may be rows now that this worker did not write. */
  wake(): void
  /** The store was counted and has no rows for it. `version`: from before the count. */
  noRows(version: number): void
  readonly version: number
  /** `probe`: an open circuit may try again now. */
  configure(destination: Destination, options: { probe: boolean }): void
  /** Resolves when no write is under way. */
  writesDone(): Promise<void>
  /** No new sends, no timers. */
  stop(): void
  /** The destination was removed. Resolves when nothing of it is being written any more. */
  remove(): Promise<void>
}

/** Events of a lane that are loaded at a time, and about how many characters; always at least one event. */
const [LOAD_EVENTS, LOAD_SIZE] = [16, 128 * 1024]
const CHECK_FAILING_EVERY_MS = 3_600_000
const EXPIRED = 'every delivery failed for 5 days'

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
  readonly caughtUp: Consumption['caughtUp']
  readonly fenced: FencedWrites
  /** Asks for a count of rows: there seem to be none. */
  readonly recount: () => void
}

/**
 * Each part is made after the parts it reads: rows, replays, admission, lanes, backlog. A part tells a later one only through callbacks,
 * which run after all are made.
 */
export function createDestinationWorker(
  deps: DestinationWorkerDeps & { destination: Destination; requests: readonly ReplayRow[] },
): DestinationWorker {
  const { store, persist, fenced, clock, log, eventLog, assignments } = deps
  const { id, kind } = deps.destination
  let destination = deps.destination
  let checkFailingAt = 0
  /** Writes of Retry-After that are under way. */
  const restWrites = new Set<Promise<unknown>>()

  const rows = createKnownRows({ destination: id, lanes: store.lanes, persist })
  const owner: SpillOwner = {
    id,
    kind,
    spilling: rows.spilling,
    spilled() {
      rows.spilled()
      backlog.lookAt(clock.now())
    },
  }

  const replays = createReplays({
    ...deps,
    destination: () => destination,
    spill: of => lanes.spillAndWait(of),
    changed() {
      rows.changed()
      applyState()
      backlog.lookNow()
    },
  })
  replays.configure(deps.requests)
  let state = effectiveState()
  const admission = createAdmission({ clock, destination: admitted(), rests })

  const memory = deps.memory.share()
  const table = createLaneTable(memory)
  const writes = createLaneWrites({ destination, lanes: store.lanes, persist, fenced, clock })
  const loadSize = createPageSize({ most: LOAD_EVENTS, bytes: LOAD_SIZE })
  const lanes = createLanes({
    ...{ owner, table, admission, writes, clock, memory },
    destination: () => destination,
    report: createReport({ ...deps, destination: id }),
    random: deps.random,
    queueLimit: deps.queueLimit,
    fresh: deps.fresh,
    openBatch: () => createSpillBatch({ lanes: store.lanes, fenced, clock }),
    load: orderKey =>
      persist('a look at a lane', async () => {
        const events = await store.lanes.head(id, orderKey, loadSize.limit)
        loadSize.seen(
          events.length,
          events.reduce((sum, { body }) => sum + body.length, 0),
        )
        return within(events, LOAD_SIZE, ({ body }) => body.length).map(event => ({ event, origin: event.origin }))
      }),
    left(orderKey, nextAt) {
      rows.added(orderKey)
      backlog.lookAt(nextAt)
      backlog.laneFreed()
    },
    emptied: () => backlog.laneFreed(),
    healthChanged,
    failed: error => log.error({ destination: id, error: messageOf(error) }, 'a lane failed; it starts again'),
  })

  const backlog = createBacklogReader({
    destination: id,
    concurrency: () => destination.delivery.concurrency,
    ...{ admission, lanes, table, persist, clock },
    store: store.lanes,
    owned: () =>
      eventLog.ownsAllPartitions ? null : { partitions: eventLog.partitions, of: new Set(assignments.keys()) },
    assignmentOf: orderKey => assignments.get(eventLog.partitionOf(orderKey)) ?? null,
    owns: () => assignments.size > 0,
    mayHaveRows: () => rows.any,
    empty: () => {
      if (rows.any) deps.recount()
    },
  })

  // ── state ──

  /** A destination whose past is not queued yet is treated as paused. */
  function effectiveState(): Destination['state'] {
    return replays.opening && destination.state === 'active' ? 'paused' : destination.state
  }

  /**
   * The destination as the admission sees it. Dispatchers share one rate limit: each takes the part that its partitions are of all.
   * A dispatcher that learns late of a change may exceed its part for a moment.
   */
  function admitted() {
    const { delivery } = destination
    const share = Math.max(1, assignments.size) / eventLog.partitions
    if (!delivery.rateLimit || share >= 1) return { ...destination, state }
    const { perSecond, burst } = delivery.rateLimit
    const rateLimit = { perSecond: perSecond * share, burst: Math.max(1, Math.floor(burst * share)) }
    return { ...destination, state, delivery: { ...delivery, rateLimit } }
  }

  /** Brings the admission in line with the destination, its replays and our partitions. */
  function applyState(): void {
    const before = { state, resting: admission.resting }
    state = effectiveState()
    admission.configure(admitted())
    if (state === 'active' && before.state === 'active' && admission.resting !== before.resting) {
      if (admission.resting) {
        void lanes.spillAll()
        backlog.lookNow()
      } else void makeAllDue()
    }
    if (state !== 'active' && before.state === 'active') void lanes.spillAll()
    if (state === 'active' && before.state !== 'active') {
      rows.doubtLookups()
      void makeAllDue()
    }
  }

  /** The reason to wait is over: lanes that wait for a retry go now. */
  async function makeAllDue(): Promise<void> {
    await persist('lanes made due', () => store.lanes.makeDue(id, clock.now()))
    backlog.lookNow()
  }

  // ── health ──

  function healthChanged(change: Exclude<HealthChange, 'none'>): void {
    if (change === 'recovered') {
      log.info({ destination: id }, 'circuit closed: the endpoint answers again')
      void makeAllDue()
      return
    }
    if (change === 'failing' || change === 'blocked') void checkFailingSince()
    if (change === 'failing') return
    if (change === 'gone') disable('the endpoint answered 410 Gone')
    else if (change === 'expired') disable(EXPIRED)
    else log.warn({ destination: id, circuit: admission.circuitOpen ? 'open' : 'closed' }, 'no deliveries for a while')
    void lanes.spillAll()
    backlog.lookNow()
  }

  /** The endpoint may have failed for days before this process started. */
  async function checkFailingSince(): Promise<void> {
    if (clock.monotonic() < checkFailingAt) return
    checkFailingAt = clock.monotonic() + CHECK_FAILING_EVERY_MS
    const asked = destination
    const since = await persist('how long an endpoint has failed', async () => (await asked.failingSince?.()) ?? null)
    if (since !== null && clock.now() - since >= DISABLE_AFTER_MS && destination === asked) disable(EXPIRED)
  }

  function rests(until: number): void {
    destination = { ...destination, restUntil: until }
    const written = persist('the rest an endpoint asked for', async () => destination.rest?.(until)).finally(() =>
      restWrites.delete(written),
    )
    restWrites.add(written)
  }

  function disable(reason: string): void {
    // Several deliveries in flight may ask for it.
    if (destination.state === 'disabled') return
    log.error({ destination: id, reason }, 'endpoint disabled; its events wait for `endpoints resume`')
    const { changedAt } = destination
    destination = { ...destination, state: 'disabled' }
    applyState()
    void persist('a disabled endpoint', () => deps.disable(id, reason, changedAt))
  }

  // ── end ──

  async function writesDone(): Promise<void> {
    await Promise.all([writes.idle(), ...restWrites])
  }

  function stop(): void {
    replays.stop()
    backlog.stop()
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
      return rows.any
    },
    get version() {
      return rows.version
    },
    get full() {
      return lanes.full
    },
    get idle() {
      return lanes.idle || replays.opening
    },
    get queued() {
      return table.queued
    },
    accept: lanes.accept,
    pump: lanes.pump,
    room: lanes.room,
    dropClosed: lanes.dropClosed,
    spillAll: lanes.spillAll,
    spillUpTo: lanes.spillUpTo,
    waiting: table.waiting,
    look: backlog.lookNow,
    lookUpLanes: rows.lookUp,
    ownershipChanged(requests) {
      replays.configure(requests)
      applyState()
    },
    wake() {
      rows.changed()
      backlog.lookNow()
    },
    noRows(version) {
      if (table.storedCount === 0) rows.none(version)
    },
    configure(next, { probe }) {
      destination = next
      applyState()
      if (probe && admission.probe()) backlog.lookNow()
      lanes.pump()
    },
    writesDone,
    stop,
    async remove() {
      stop()
      lanes.remove()
      await rows.spillsDone()
      await writesDone()
    },
  }
}
