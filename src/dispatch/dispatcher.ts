import { AppError } from '../lib/errors.ts'
import type { DispatchControl } from './dispatch-control.ts'
import { narrowed, wantedBy } from './replay-filter.ts'
import { createSession, type SessionDeps } from './session.ts'

export interface DispatcherDeps extends SessionDeps {
  /** One delivery outside of the lanes. */
  readonly test: DispatchControl['test']
}

export interface Dispatcher extends DispatchControl {
  /** Loads the destinations and begins to read. Rejects if two destinations share an id. A store that is away is waited for. */
  start(): Promise<void>
  /**
   * Sends nothing new. Deliveries in flight get `graceMs`, then are aborted and tried again after the next start. It may be started again.
   * `lost`: another process has taken over. Deliveries in flight are aborted at once, and that process delivers what waits in memory here.
   */
  stop(graceMs: number, end?: { readonly lost: boolean }): Promise<void>
}

/**
 * Reads the event log and delivers each event to every destination that wants it. Each destination has a lane per order with one delivery
 * at a time; no lane waits for another.
 *
 * The way of an event: `session.ts` owns partitions and workers; `fan-out.ts` hands the event to each destination that wants it;
 * `lanes.ts` sends it; `lane-outcomes.ts` writes what the attempt means; `backlog-reader.ts` brings it back from the backlog when it is
 * due; `assignment.ts` finds the committable offset. `lane.ts` draws the states of a lane.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  let session = createSession(deps)
  const running = () => {
    if (session.state === 'stopped') session = createSession(deps, session.workers.keys())
    return session
  }

  return {
    start: () => running().start(),
    stop: (graceMs, end) => session.stop(graceMs, end),
    refresh: () => running().refresh({ probe: true }),
    wake() {
      for (const worker of session.workers.values()) worker.wake()
    },
    test: deps.test,
    async replay(id, filter) {
      // Another process may have created or changed the destination a moment ago.
      await session.refresh({ probe: false })
      const worker = session.workers.get(id)
      if (!worker) throw unknown(id)
      const wanted = narrowed(filter, worker.destination)
      if (!wanted) return 0
      const count = await deps.store.replays.add(id, wanted, deps.clock.now(), wantedBy(worker.destination))
      await session.refresh({ probe: false })
      return count
    },
    destinations: () =>
      [...session.workers.values()].map(({ destination, circuitOpen, waiting }) => {
        const { id, kind, state, types, connections, matches = null, delivery } = destination
        const { concurrency, rateLimit } = delivery
        return {
          id,
          kind,
          state: state === 'active' && circuitOpen ? 'open' : state,
          wants: { types, connections, matches, concurrency, perSecond: rateLimit?.perSecond ?? null },
          inMemory: waiting(),
        }
      }),
    health: () =>
      session.state === 'running'
        ? session.health()
        : 'the dispatcher is not running: it is starting, stopped, or standing by',
  }
}

const unknown = (id: string) =>
  new AppError(`There is no destination "${id}". \`GET /v1/destinations\` lists them.`, {
    code: 'dispatch.unknown_destination',
    intent: 'fix',
  })
