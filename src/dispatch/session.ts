import type { Ahead } from '../event-log/ahead.ts'
import type { Consumption, EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { endsWithin } from '../lib/deadline.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { ReplayRow } from '../store/port/replays.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Assignment, createAssignment } from './assignment.ts'
import { createAttemptRecorder } from './attempts.ts'
import { createBacklogCount } from './backlog-count.ts'
import type { Destination } from './destination.ts'
import { createDestinationWorker, type DestinationWorker } from './destination-worker.ts'
import { createFanOut } from './fan-out.ts'
import { createMemory } from './memory.ts'
import { createPersist } from './persist.ts'
import { createSubscriptions } from './subscriptions.ts'

export interface SessionDeps {
  readonly store: Pick<Store, 'lanes' | 'deliveries' | 'replays'>
  readonly eventLog: Pick<EventLog, 'consume' | 'partitions' | 'partitionOf' | 'kind'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** The consumer group. */
  readonly group: string
  /** Handlers and endpoints as they are now; asked at the start, at `refresh` and at every tick. */
  destinations(): Promise<readonly Destination[]>
  /** Writes down that an endpoint is disabled; nothing where somebody has changed it since `changedAt`. */
  disable(id: string, reason: string, changedAt?: number): Promise<void>
  /** How often to look for what other processes changed, milliseconds; default 5 s. */
  readonly tickMs?: number
  /** Live events each destination may have in memory; default 1000. */
  readonly queueLimit?: number
  readonly random?: () => number
  /** Whether what is read is still ours to send, by a clock that goes on while the process is paused; default: always. */
  readonly fresh?: () => boolean
}

/** A dispatcher from its start to its stop: the partitions it owns and a worker for each destination. */
export interface Session {
  readonly state: 'new' | 'running' | 'stopped'
  readonly workers: ReadonlyMap<string, DestinationWorker>
  start(): Promise<void>
  stop(graceMs: number, end?: { readonly lost: boolean }): Promise<void>
  refresh(options: RefreshOptions): Promise<void>
  health(): string | null
}

/** `probe`: somebody changed something, so open circuits may try again now. */
interface RefreshOptions {
  readonly probe: boolean
}

/** How long a revoke may wait for what is in flight, and how long for the writes after an abort; together within the log's 10 s. */
const [REVOKE_GRACE, ABORT_GRACE] = [8_000, 1_000]

/** `former`: the destinations of the life before. */
export function createSession(deps: SessionDeps, former: Iterable<string> = []): Session {
  const { store, eventLog, clock, log, metrics, random = Math.random, tickMs = 5_000, queueLimit = 1_000 } = deps
  const stopping = new AbortController()
  const persist = createPersist({ clock, log, signal: stopping.signal })
  const recorder = createAttemptRecorder({ deliveries: store.deliveries, clock, log })
  const assignments = new Map<number, Assignment>()
  const workers = new Map<string, DestinationWorker>()
  const unseen = new Set(former)
  const routes = createSubscriptions<DestinationWorker>()
  const recount = createBacklogCount({ lanes: store.lanes, workers, persist, clock })
  const intake = createFanOut({ store, routes, workers, persist, clock })
  /** What was settled before the log gave us the means to say so. */
  const settledTo = new Map<number, { position: number; ahead: () => Ahead }>()
  let consumption: Consumption | null = null
  const { promise: consuming, resolve: begun } = Promise.withResolvers<Consumption>()
  let state: Session['state'] = 'new'
  let cancelTick: (() => void) | null = null

  const shared = {
    store,
    eventLog,
    persist,
    recorder,
    metrics,
    log,
    clock,
    random,
    queueLimit,
    fresh: deps.fresh ?? (() => true),
    memory: createMemory(),
    assignments,
    group: deps.group,
    caughtUp: async (partitions: readonly number[]) => (await consuming).caughtUp(partitions),
    holds: async (partitions: readonly number[]) => (await consuming).holds(partitions),
    disable: deps.disable,
    recount: recount.ask,
  }

  // ── partitions ──

  async function assigned(
    partitions: readonly number[],
    epoch: number | null,
    ahead?: ReadonlyMap<number, Ahead>,
  ): Promise<void> {
    // What is known of destinations must not be older than the claim: see `past.ts`.
    const claimed = await store.replays.claim(deps.group, partitions, epoch)
    await refresh({ probe: false }).catch(error => {
      if (!(error instanceof AppError) || error.code !== ID_TAKEN) throw error
      log.error({ error: error.message }, 'what other processes changed could not be taken in')
    })
    if (state !== 'running') return
    for (const partition of partitions) {
      const settle = (position: number, now: () => Ahead) => {
        settledTo.set(partition, { position, ahead: now })
        consumption?.committable(partition, position, now)
      }
      const claim = { epoch, number: claimed.get(partition) ?? 0, confirmed: false }
      assignments.set(partition, createAssignment(partition, claim, settle, ahead?.get(partition)))
    }
    // The former owner may have left rows, which nobody here has counted.
    for (const worker of workers.values()) {
      worker.ownershipChanged()
      worker.wake()
    }
    void recount.look()
  }

  /** A first claim of a partition comes with its first reading; a history that is empty was read by nobody. */
  async function hasReadBefore(): Promise<boolean> {
    const claimedBefore = [...assignments.values()].some(({ claim }) => claim.number > 1)
    return claimedBefore && (await store.replays.end()) > 0
  }

  /** `lost`: another process reads them already, and delivers from the log what is in our memory. */
  async function release(partitions: readonly number[], graceMs: number, lost = false): Promise<void> {
    const leaving = partitions.flatMap(partition => assignments.get(partition) ?? [])
    if (!lost) await finish(leaving, graceMs)
    for (const assignment of leaving) {
      assignment.close()
      settledTo.delete(assignment.partition)
      if (assignments.get(assignment.partition) === assignment) assignments.delete(assignment.partition)
    }
    for (const worker of workers.values()) {
      worker.dropClosed()
      worker.ownershipChanged()
    }
  }

  async function finish(leaving: readonly Assignment[], graceMs: number): Promise<void> {
    // Into the store with all that waits and all that is in flight: else one delivery that hangs would keep the position back, and
    // everything read after it would go to every destination again.
    const of = new Set(leaving)
    const saved = Promise.all([...workers.values()].map(worker => worker.spillAll(of)))
    const ended = Promise.all(leaving.map(assignment => assignment.drain()))
      .then(() => saved)
      .then(writesDone)
    await endsWithin(clock, graceMs, ended)
    for (const assignment of leaving) assignment.abort()
    await endsWithin(clock, ABORT_GRACE, ended)
  }

  const writesDone = () => Promise.all([...workers.values()].map(worker => worker.writesDone()))

  // ── destinations ──

  let refreshing: Promise<void> = Promise.resolve()
  function refresh(options: RefreshOptions): Promise<void> {
    const next = refreshing.catch(() => {}).then(async () => configure(await read(), options))
    refreshing = next
    return next
  }

  /** In this order: a new endpoint that is seen at all is seen with its past. */
  async function read(): Promise<Known> {
    const list = await deps.destinations()
    return { list, pending: await store.replays.pending() }
  }

  function configure({ list, pending }: Known, options: RefreshOptions): void {
    if (state === 'stopped') return
    const ids = new Set<string>()
    for (const { id } of list) {
      if (ids.has(id)) throw twice(id)
      ids.add(id)
    }
    for (const destination of list) {
      const requests = pending.filter(request => request.destination === destination.id)
      const worker = workers.get(destination.id)
      if (!worker) workers.set(destination.id, createDestinationWorker({ ...shared, destination, requests }))
      else {
        worker.ownershipChanged(requests)
        worker.configure(destination, options)
      }
    }
    for (const [id, worker] of workers) {
      if (ids.has(id)) continue
      workers.delete(id)
      for (const assignment of assignments.values()) assignment.forget(id)
      recorder.forget(id)
      metrics.forget(id)
      // Taken in or put aside between the removal and our knowing of it.
      void worker.remove().then(() => persist('what waited for a removed endpoint', () => store.lanes.forget(id)))
    }
    for (const id of unseen) if (!ids.has(id)) metrics.forget(id)
    unseen.clear()
    routes.set([...workers.values()])
    for (const worker of workers.values()) if (worker.mayHaveRows) worker.look()
  }

  /** Finds what other processes changed: endpoints, and lanes queued for destinations that had none. */
  function tick(): void {
    cancelTick = clock.after(tickMs, async () => {
      try {
        await refresh({ probe: false })
        const quiet = [...workers.values()].filter(worker => !worker.mayHaveRows).map(worker => worker.destination.id)
        if (quiet.length > 0 && (await store.lanes.nextDue(quiet)) !== null) await recount.look()
      } catch (error) {
        log.error({ error: messageOf(error) }, 'what other processes changed could not be read')
      }
      if (state === 'running') tick()
    })
  }

  return {
    get state() {
      return state
    },
    workers,
    async start() {
      state = 'running'
      const found = await persist('the destinations', read)
      if (found === null) return
      configure(found, { probe: false })
      await recount.look()
      if (stopping.signal.aborted) return
      consumption = await eventLog.consume({
        group: deps.group,
        onBatch: (partition, entries) => intake.take(assignments.get(partition), entries),
        assigned,
        hasReadBefore,
        revoked: partitions => release(partitions, REVOKE_GRACE),
      })
      begun(consumption)
      for (const [partition, { position, ahead }] of settledTo) consumption.committable(partition, position, ahead)
      tick()
    },
    async stop(graceMs, { lost } = { lost: false }) {
      if (state === 'stopped') return
      state = 'stopped'
      cancelTick?.()
      recount.stop()
      for (const worker of workers.values()) worker.stop()
      await release([...assignments.keys()], graceMs, lost)
      stopping.abort()
      await endsWithin(clock, ABORT_GRACE, recorder.flush())
      await consumption?.stop().catch(error => log.error({ error: messageOf(error) }, 'positions not written'))
    },
    refresh,
    health: () => persist.health(),
  }
}

interface Known {
  readonly list: readonly Destination[]
  readonly pending: readonly ReplayRow[]
}

const ID_TAKEN = 'dispatch.id_taken'

const twice = (id: string) =>
  new AppError(
    `Two destinations are called "${id}". A handler's id is its file name, and an endpoint's id must differ from it: ` +
      'rename the file or the endpoint.',
    { code: ID_TAKEN, intent: 'fix' },
  )
