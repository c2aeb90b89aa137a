import type { Ahead } from '../event-log/ahead.ts'
import type { Consumption, EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { endsWithin } from '../lib/deadline.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Lease, LeaseStore } from '../store/port/leases.ts'
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
import { createFencedWrites } from './fenced-writes.ts'
import { createMemory } from './memory.ts'
import { createPersist } from './persist.ts'
import { createSubscriptions } from './subscriptions.ts'

export interface SessionDeps {
  readonly store: Pick<Store, 'lanes' | 'deliveries' | 'replays'> & { readonly leases: Pick<LeaseStore, 'takeOver'> }
  readonly eventLog: Pick<EventLog, 'consume' | 'partitions' | 'partitionOf' | 'commitPublishes' | 'ownsAllPartitions'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** The consumer group. */
  readonly group: string
  /** Handlers and endpoints as they are now; called at the start, at `refresh` and at every tick. */
  destinations(): Promise<readonly Destination[]>
  /** Persists that an endpoint is disabled, unless somebody has edited it since `changedAt`. */
  disable(id: string, reason: string, changedAt?: number): Promise<void>
  /** How often to look for changes by other processes, milliseconds; default 5 s. */
  readonly tickMs?: number
  /** Live events each destination may have in memory; default 1000. */
  readonly queueLimit?: number
  readonly random?: () => number
  /** False: our lease may have expired, by a clock that runs while the process is paused; default: always true. */
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

/** `probe`: a person changed something, so open circuits may try again now. */
interface RefreshOptions {
  readonly probe: boolean
}

/** How long a revoke waits for deliveries in flight, and then for the writes after their abort. The log allows 10 s in all. */
const [REVOKE_GRACE_MS, ABORT_GRACE_MS] = [8_000, 1_000]

/** `former`: the destinations of the session before. */
export function createSession(deps: SessionDeps, former: Iterable<string> = []): Session {
  const { store, eventLog, clock, log, metrics, random = Math.random, tickMs = 5_000, queueLimit = 1_000 } = deps
  const stopping = new AbortController()
  const persist = createPersist({ clock, log, signal: stopping.signal })
  const recorder = createAttemptRecorder({ deliveries: store.deliveries, clock, log })
  const assignments = new Map<number, Assignment>()
  const workers = new Map<string, DestinationWorker>()
  const unseen = new Set(former)
  const subscriptions = createSubscriptions<DestinationWorker>()
  const recount = createBacklogCount({ lanes: store.lanes, workers, persist, clock })
  /** The newest committable offset of each partition. The log may assign partitions before `consume` returns. */
  const committableTo = new Map<number, { position: number; ahead: () => Ahead }>()
  let consumption: Consumption | null = null
  const { promise: consuming, resolve: consumptionBegun } = Promise.withResolvers<Consumption>()
  let state: Session['state'] = 'new'
  let cancelTick: (() => void) | null = null
  const fenced = createFencedWrites({
    ...{ eventLog, takeOver, persist, clock, log },
    holds: async partitions => (await consuming).holds(partitions),
  })
  const fanOut = createFanOut({ store, subscriptions, workers, fenced, clock, queueLimit })

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
    caughtUp: async (partitions: readonly number[]) => (await consuming).caughtUp(partitions),
    fenced,
    disable: deps.disable,
    recount: recount.ask,
  }

  // ── partitions ──

  /** A log that grants no lease says by itself who owns a partition. Its present owner takes the lease from the former one. */
  function takeOver(partition: number): Promise<Lease> {
    return store.leases.takeOver(`partition/${deps.group}/${partition}`, deps.group)
  }

  async function assigned(
    partitions: readonly number[],
    granted: Lease | null,
    ahead?: ReadonlyMap<number, Ahead>,
  ): Promise<void> {
    // Destinations are read after the leases are taken: see `replays.ts`.
    const leases = await Promise.all(
      partitions.map(async partition => [partition, granted ?? (await takeOver(partition))] as const),
    )
    await refresh({ probe: false }).catch(error => {
      if (!(error instanceof AppError) || error.code !== ID_TAKEN) throw error
      log.error({ error: error.message }, 'cannot apply what other processes changed')
    })
    if (state !== 'running') return
    for (const [partition, lease] of leases) {
      const committable = (position: number, now: () => Ahead) => {
        committableTo.set(partition, { position, ahead: now })
        consumption?.committable(partition, position, now)
        if (!ahead && assignment.laggard(queueLimit)) void relieve(assignment)
      }
      const assignment = createAssignment(partition, lease, committable, ahead?.get(partition))
      assignments.set(partition, assignment)
      void fenced.confirm(assignment)
    }
    // The former owner may have left rows that this process has not counted.
    for (const worker of workers.values()) {
      worker.ownershipChanged()
      worker.wake()
    }
    void recount.look()
  }

  const relieving = new Set<Assignment>()
  /**
   * A slow delivery keeps the committable offset back, and a crash would repeat all that is done behind it. Where the log does not keep
   * what is done ahead of the offset, slow events go to the backlog once there are so many.
   */
  async function relieve(assignment: Assignment): Promise<void> {
    if (relieving.has(assignment) || !assignment.laggard(queueLimit)) return
    relieving.add(assignment)
    // We may be within the end of a delivery, which must not be spilled any more.
    await Promise.resolve()
    const laggard = assignment.state === 'open' ? assignment.laggard(queueLimit) : null
    if (laggard) await Promise.all([...workers.values()].map(worker => worker.spillUpTo(assignment, laggard.position)))
    relieving.delete(assignment)
  }

  /** The first lease of a partition has epoch 1. Nobody has read an empty history. */
  async function hasReadBefore(): Promise<boolean> {
    const ownedBefore = [...assignments.values()].some(({ lease }) => lease.epoch > 1)
    return ownedBefore && (await store.replays.end()) > 0
  }

  /** `lost`: another process reads the partitions already, and delivers from the log what is in our memory. */
  async function release(partitions: readonly number[], graceMs: number, lost = false): Promise<void> {
    const leaving = partitions.flatMap(partition => assignments.get(partition) ?? [])
    if (!lost) await finish(leaving, graceMs)
    for (const assignment of leaving) {
      assignment.close()
      committableTo.delete(assignment.partition)
      if (assignments.get(assignment.partition) === assignment) assignments.delete(assignment.partition)
    }
    for (const worker of workers.values()) {
      worker.dropClosed()
      worker.ownershipChanged()
    }
  }

  async function finish(leaving: readonly Assignment[], graceMs: number): Promise<void> {
    // Spill the deliveries in flight as well. Otherwise one that hangs keeps the committable offset back, and the next owner would deliver
    // everything behind it again.
    const of = new Set(leaving)
    const saved = Promise.all([...workers.values()].map(worker => worker.spillAll(of)))
    const ended = Promise.all(leaving.map(assignment => assignment.drain()))
      .then(() => saved)
      .then(writesDone)
    await endsWithin(clock, graceMs, ended)
    for (const assignment of leaving) assignment.abort()
    await endsWithin(clock, ABORT_GRACE_MS, ended)
  }

  const writesDone = () => Promise.all([...workers.values()].map(worker => worker.writesDone()))

  // ── destinations ──

  let refreshing: Promise<void> = Promise.resolve()
  function refresh(options: RefreshOptions): Promise<void> {
    const next = refreshing.catch(() => {}).then(async () => configure(await read(), options))
    refreshing = next
    return next
  }

  /** In this order: a new endpoint is never seen without the replay of its past. */
  async function read(): Promise<Known> {
    const list = await deps.destinations()
    return { list, pending: await store.replays.pending() }
  }

  function configure({ list, pending }: Known, options: RefreshOptions): void {
    if (state === 'stopped') return
    const ids = new Set<string>()
    for (const { id } of list) {
      if (ids.has(id)) throw idTaken(id)
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
      // Events may have been spilled between the removal and our learning of it.
      void worker.remove().then(() => persist('what waited for a removed endpoint', () => store.lanes.forget(id)))
    }
    for (const id of unseen) if (!ids.has(id)) metrics.forget(id)
    unseen.clear()
    subscriptions.set([...workers.values()])
    for (const worker of workers.values()) if (worker.mayHaveRows) worker.look()
  }

  /** Finds changes by other processes: endpoints, and rows of destinations that had none. */
  function tick(): void {
    cancelTick = clock.after(tickMs, async () => {
      try {
        await refresh({ probe: false })
        const quiet = [...workers.values()].filter(worker => !worker.mayHaveRows).map(worker => worker.destination.id)
        if (quiet.length > 0 && (await store.lanes.nextDue(quiet)) !== null) await recount.look()
      } catch (error) {
        log.error({ error: messageOf(error) }, 'cannot read what other processes changed')
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
        onBatch: (partition, entries) => fanOut.take(assignments.get(partition), entries),
        assigned,
        hasReadBefore,
        revoked: partitions => release(partitions, REVOKE_GRACE_MS),
      })
      consumptionBegun(consumption)
      for (const [partition, { position, ahead }] of committableTo) consumption.committable(partition, position, ahead)
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
      await endsWithin(clock, ABORT_GRACE_MS, recorder.flush())
      await consumption?.stop().catch(error => log.error({ error: messageOf(error) }, 'offsets were not committed'))
    },
    refresh,
    health: () => persist.health() ?? fenced.health(),
  }
}

interface Known {
  readonly list: readonly Destination[]
  readonly pending: readonly ReplayRow[]
}

const ID_TAKEN = 'dispatch.id_taken'

const idTaken = (id: string) =>
  new AppError(
    `Two destinations are called "${id}". A handler's id is its file name, and an endpoint's id must differ from it: ` +
      'rename the file or the endpoint.',
    { code: ID_TAKEN, intent: 'fix' },
  )
