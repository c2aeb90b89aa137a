import type { Clock } from '../clock.ts'
import type { DispatchControl } from '../control.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Consumption, EventLog, LogEntry } from '../event-log/event-log.ts'
import type { Log, Metrics } from '../observe.ts'
import type { Store } from '../store/store.ts'
import { type Assignment, createAssignment } from './assignment.ts'
import { createAttemptRecorder } from './attempts.ts'
import type { Destination } from './destination.ts'
import { createPersist } from './persist.ts'
import { createRecount } from './recount.ts'
import { narrowed } from './replay.ts'
import { createRoutes } from './routes.ts'
import { createSpillBatch } from './spill.ts'
import { createWorker, type Worker } from './worker.ts'

export interface DispatcherDeps {
  readonly store: Pick<Store, 'lanes' | 'deliveries'>
  readonly eventLog: Pick<EventLog, 'consume' | 'partitions' | 'partitionOf' | 'kind'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** The consumer group. */
  readonly group: string
  /** Handlers and endpoints as they are now; asked at the start, at `refresh` and at every tick. */
  destinations(): Promise<readonly Destination[]>
  /** Writes down that an endpoint is disabled. */
  disable(id: string, reason: string): Promise<void>
  /** One delivery outside of the lanes. */
  readonly test: DispatchControl['test']
  /** How often to look for what other processes changed, milliseconds. Default 30 s: enough where there is no other process. */
  readonly tickMs?: number
  readonly random?: () => number
}

export interface Dispatcher extends DispatchControl {
  /** Loads the destinations and begins to read. Rejects if two destinations share an id, or the log or store cannot be reached. */
  start(): Promise<void>
  /** No new sends; what is in flight gets `graceMs`, then is aborted and tried again after the next start. Never rejects. */
  stop(graceMs: number): Promise<void>
}

/** How long a revoke may wait for what is in flight, and how long for the writes after an abort; together within the log's 10 s. */
const [REVOKE_GRACE, ABORT_GRACE] = [8_000, 1_000]
/** Entries decided on at a time; between two slices full destinations get a moment to work their queue off. */
const SLICE = 250
/** How long a full destination is waited for, and for how long it is not if that was in vain. */
const [BREATH, SLOW_FOR] = [20, 1_000]

/**
 * Reads the event log and brings each event to every destination that wants it: one lane per destination and order, strictly one
 * delivery at a time in it, and no lane waits for another. See `lane.ts` for what a lane is, `lanes.ts` for what happens to it.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { store, eventLog, clock, log, metrics, random = Math.random, tickMs = 30_000 } = deps
  const stopping = new AbortController()
  const persist = createPersist({ clock, log, signal: stopping.signal })
  const recorder = createAttemptRecorder({ deliveries: store.deliveries, clock, log })
  const assignments = new Map<number, Assignment>()
  const workers = new Map<string, Worker>()
  const routes = createRoutes<Worker>()
  const recount = createRecount({ lanes: store.lanes, workers, persist, clock })
  const slowUntil = new WeakMap<Worker, number>()
  const settledTo = new Map<number, number>()
  let consumption: Consumption | null = null
  let state: 'new' | 'running' | 'stopped' = 'new'
  let cancelTick: (() => void) | null = null

  // ── taking in ──

  async function onBatch(partition: number, entries: readonly LogEntry[]): Promise<void> {
    const assignment = assignments.get(partition)
    for (let from = 0; from < entries.length; from += SLICE) {
      if (assignment?.state !== 'open') return
      await takeIn(assignment, entries.slice(from, from + SLICE))
    }
  }

  async function takeIn(assignment: Assignment, entries: readonly LogEntry[]): Promise<void> {
    const rows = await rowsOf(entries)
    if (assignment.state !== 'open') return
    const batch = createSpillBatch({ lanes: store.lanes, persist, clock })
    const touched = new Set<Worker>()
    for (const { position, event } of entries) {
      const takers = routes.of(event)
      const slot = assignment.take(position, takers.length)
      for (const worker of takers) {
        const known = rows.get(worker)
        worker.accept(event, slot, known ? known.has(event.orderKey) : worker.mayHaveRows, batch)
        touched.add(worker)
      }
    }
    for (const worker of touched) worker.pump()
    await batch.write()
    await breathe(touched)
  }

  /**
   * A burst fills a queue faster than any destination empties it; a short wait often saves writing the rest of the burst down.
   * A destination that made no room in that time is slow, and is not waited for again soon: the others go on.
   */
  async function breathe(touched: Iterable<Worker>): Promise<void> {
    const now = clock.monotonic()
    const full = [...touched].filter(worker => worker.full && (slowUntil.get(worker) ?? now) <= now)
    if (full.length === 0) return
    await within(Promise.all(full.map(worker => worker.room())), BREATH)
    for (const worker of full) if (worker.full) slowUntil.set(worker, now + SLOW_FOR)
  }

  async function within(work: Promise<unknown>, ms: number): Promise<void> {
    const over = new AbortController()
    await Promise.race([work.catch(() => {}), clock.sleep(ms, over.signal)])
    over.abort()
  }

  /** Which orders of these entries have a row, for each destination that may have rows at all. */
  async function rowsOf(entries: readonly LogEntry[]): Promise<ReadonlyMap<Worker, ReadonlySet<string>>> {
    const keys = new Map<Worker, Set<string>>()
    for (const { event } of entries)
      for (const worker of routes.of(event)) {
        if (!worker.mayHaveRows) continue
        const wanted = keys.get(worker)
        if (wanted) wanted.add(event.orderKey)
        else keys.set(worker, new Set([event.orderKey]))
      }
    if (keys.size === 0) return new Map()
    const found = new Map<Worker, ReadonlySet<string>>()
    await Promise.all(
      [...keys].map(async ([worker, wanted]) => {
        const answer = await worker.rowsOf([...wanted])
        if (answer) found.set(worker, answer)
      }),
    )
    return found
  }

  // ── partitions ──

  async function assigned(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const settle = (position: number) => {
        settledTo.set(partition, position)
        consumption?.settle(partition, position)
      }
      assignments.set(partition, createAssignment(partition, settle))
    }
    // Its former owner may have left rows, which nobody here has counted.
    for (const worker of workers.values()) worker.wake()
  }

  async function release(partitions: readonly number[], graceMs: number): Promise<void> {
    const leaving = partitions.flatMap(partition => assignments.get(partition) ?? [])
    const ended = Promise.all(leaving.map(assignment => assignment.drain())).then(() => writesDone())
    await within(ended, graceMs)
    for (const assignment of leaving) assignment.abort()
    await within(ended, ABORT_GRACE)
    for (const assignment of leaving) {
      assignment.close()
      settledTo.delete(assignment.partition)
      if (assignments.get(assignment.partition) === assignment) assignments.delete(assignment.partition)
    }
    for (const worker of workers.values()) worker.dropClosed()
  }

  const writesDone = () => Promise.all([...workers.values()].map(worker => worker.settled()))

  // ── destinations ──

  let refreshing: Promise<void> = Promise.resolve()
  function refresh(): Promise<void> {
    const next = refreshing.catch(() => {}).then(configure)
    refreshing = next
    return next
  }

  async function configure(): Promise<void> {
    const list = await deps.destinations()
    if (state === 'stopped') return
    const ids = new Set<string>()
    for (const { id } of list) {
      if (ids.has(id)) throw twice(id)
      ids.add(id)
    }
    for (const destination of list) {
      const worker = workers.get(destination.id)
      if (worker) worker.configure(destination)
      else workers.set(destination.id, createWorker({ ...shared, destination }))
    }
    for (const [id, worker] of workers) {
      if (ids.has(id)) continue
      workers.delete(id)
      worker.discard()
      recorder.forget(id)
    }
    routes.set([...workers.values()])
    for (const worker of workers.values()) if (worker.mayHaveRows) worker.look()
  }

  const shared = {
    store,
    eventLog,
    persist,
    recorder,
    metrics,
    log,
    clock,
    random,
    assignments,
    disable: (id: string, reason: string) => deps.disable(id, reason),
    recount: recount.ask,
  }

  function tick(): void {
    cancelTick = clock.after(tickMs, async () => {
      try {
        await refresh()
        const quiet = [...workers.values()].filter(worker => !worker.mayHaveRows).map(worker => worker.destination.id)
        if (quiet.length > 0 && (await store.lanes.nextDue(quiet)) !== null) await recount.look()
      } catch (error) {
        log.error({ error: messageOf(error) }, 'what other processes changed could not be read')
      }
      if (state === 'running') tick()
    })
  }

  return {
    async start() {
      state = 'running'
      await configure()
      await recount.look()
      consumption = await eventLog.consume({
        group: deps.group,
        onBatch,
        assigned,
        revoked: partitions => release(partitions, REVOKE_GRACE),
      })
      for (const [partition, position] of settledTo) consumption.settle(partition, position)
      tick()
    },
    async stop(graceMs) {
      if (state === 'stopped') return
      state = 'stopped'
      cancelTick?.()
      recount.stop()
      for (const worker of workers.values()) worker.stop()
      await release([...assignments.keys()], graceMs)
      stopping.abort()
      await within(recorder.flush(), ABORT_GRACE)
      await consumption?.stop().catch(error => log.error({ error: messageOf(error) }, 'positions not written'))
    },
    refresh,
    wake() {
      for (const worker of workers.values()) worker.wake()
    },
    test: deps.test,
    async replay(id, filter) {
      const worker = workers.get(id)
      if (!worker) throw unknown(id)
      const wanted = narrowed(filter, worker.destination)
      const count = wanted ? await store.lanes.replay(id, wanted, clock.now()) : 0
      worker.wake()
      return count
    },
    destinations: () =>
      [...workers.values()].map(({ destination: { id, kind, state: set }, circuitOpen }) => ({
        id,
        kind,
        state: set === 'active' && circuitOpen ? 'open' : set,
      })),
    health: () =>
      persist.health() ??
      (state === 'new' ? 'the dispatcher has not started' : state === 'stopped' ? 'the dispatcher has stopped' : null),
  }
}

const twice = (id: string) =>
  new AppError(
    `Two destinations are called "${id}". A handler's id is its file name, and an endpoint's id must differ from it: rename the file or the endpoint.`,
    { code: 'dispatch.id_taken', intent: 'fix' },
  )

const unknown = (id: string) =>
  new AppError(`There is no destination "${id}". \`GET /v1/destinations\` lists them.`, {
    code: 'dispatch.unknown_destination',
    intent: 'fix',
  })
