import type { EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { ReplayRow } from '../store/port/replays.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Assignment } from './assignment.ts'
import type { Destination } from './destination.ts'
import type { FencedWrites } from './fenced-writes.ts'
import type { Persist } from './persist.ts'
import { narrowed, wantedBy } from './replay-filter.ts'

/**
 * Queues past events in the backlog of one destination: for replays, and for a new endpoint that asked for the past (`opening`).
 *
 * The owner of each partition queues its part, because only it knows what has been taken from the log. An event still in the log would
 * overtake earlier ones if it were queued now. So the owner takes in the log first, then queues the history up to there. A new endpoint
 * gets nothing meanwhile: its new events go to its backlog, which is ordered by sequence. Events taken in before the owner knew of the
 * endpoint were in the history by then, so queueing, which begins later, finds them.
 *
 * After a crash the part of a partition that is not marked as queued is queued again; nothing of it was sent. The mark is written under the
 * lease of the partition: a former owner that did not notice its loss must not mark for the present one.
 */
export interface Replays {
  /** The destination is new, and its past is not queued yet in all our partitions: nothing may be sent. */
  readonly opening: boolean
  /** The replays to the destination, or our partitions, changed. */
  configure(requests?: readonly ReplayRow[]): void
  stop(): void
}

const LOOK_AGAIN_MS = 500
/** The log is thought to refuse events that are still unpublished after this time. */
const REFUSED_MS = 10_000
const LOOK_UP_ORDERS = 500
/** No order has as many events. */
const MOST_WAITING = 1_000
const SOME: ReadonlyMap<string, number> = new Map([['', 0]])

export function createReplays(deps: {
  destination: () => Destination
  store: Pick<Store, 'lanes' | 'replays'>
  eventLog: Pick<EventLog, 'partitions' | 'partitionOf' | 'commitPublishes'>
  assignments: ReadonlyMap<number, Assignment>
  caughtUp: (partitions: readonly number[]) => Promise<boolean>
  /** Spills what waits in memory, and waits for deliveries in flight that came from memory. */
  spill: (of: ReadonlySet<Assignment>) => Promise<boolean>
  fenced: FencedWrites
  persist: Persist
  clock: Clock
  log: Log
  /** Events were queued, or `opening` may have changed. */
  changed: () => void
}): Replays {
  const { store, eventLog, assignments, fenced, persist, clock, log } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  /** Finished parts by replay; newer than the rows given by `configure`. */
  const done = new Map<number, WeakSet<Assignment>>()
  let requests: readonly ReplayRow[] = []
  let running = false

  /** Our partitions whose part is not queued yet. */
  const missing = ({ n, queued }: ReplayRow): Assignment[] =>
    [...assignments.values()].filter(
      assignment =>
        assignment.state === 'open' && !queued.includes(assignment.partition) && !done.get(n)?.has(assignment),
    )

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const next = requests.find(request => missing(request).length > 0)
      if (!next) break
      const queued = await queue(next, missing(next)).catch(error => {
        log.warn({ destination: deps.destination().id, error: messageOf(error) }, 'a replay failed; it is tried again')
        return false
      })
      // Give other work a chance to run: it may be what this waits for.
      if (!queued) await clock.sleep(LOOK_AGAIN_MS, signal)
    }
    running = false
  }

  /** False: not queued, because the partitions are not certainly ours, or the dispatcher stops. */
  async function queue(request: ReplayRow, targets: readonly Assignment[]): Promise<boolean> {
    const ours = () => !signal.aborted && targets.every(({ state }) => state === 'open')
    const partitions = new Set(targets.map(({ partition }) => partition))
    if ((await Promise.all(targets.map(fenced.confirm))).includes(false)) return false
    const through = request.through ?? (await persist('the end of the history', () => store.replays.end()))
    const refused = through === null ? null : await takenIn(through, [...partitions], ours)
    if (through === null || refused === null) return false
    // An event that was never delivered must be in the backlog as live before the replay finds it, or a crash would make it a replay.
    if (!(await deps.spill(new Set(targets)))) return false
    const destination = deps.destination()
    const leftOut = await persist('a look for refused orders', () => leftOutFrom(refused, destination.id))
    if (leftOut === null) return false
    const filter = narrowed({ ...request.filter, through }, destination)
    const wanted = wantedBy(destination)
    const everywhere = partitions.size === eventLog.partitions
    const options = {
      signal,
      request: request.n,
      // Events between the creation of an endpoint and our learning of it are live for it.
      ...(request.filter.behind !== undefined && { origin: 'live' as const }),
      ...((wanted || !everywhere || leftOut.size > 0) && {
        wants: (event: Parameters<NonNullable<typeof wanted>>[0]) =>
          (everywhere || partitions.has(eventLog.partitionOf(event.orderKey))) &&
          event.sequence < (leftOut.get(event.orderKey) ?? Number.POSITIVE_INFINITY) &&
          (wanted?.(event) ?? true),
      }),
    }
    if (filter && ours())
      await persist('a replay', () => store.lanes.replay(destination.id, filter, clock.now(), options))
    if (!ours()) return false
    let marked = true
    for (const assignment of targets) marked = (await mark(request, assignment)) && marked
    deps.changed()
    return marked
  }

  /**
   * Waits until the history of our partitions up to `through` is taken in from the log, without the events that the log refuses: they come
   * once they are published. Resolves with the first refused sequence of each order that has one; null: the partitions are not ours any more.
   */
  async function takenIn(
    through: number,
    partitions: readonly number[],
    ours: () => boolean,
  ): Promise<ReadonlyMap<string, number> | null> {
    let later: ReadonlyMap<string, number> = new Map()
    // Unless the log is the history itself, it gets events a moment later.
    for (let waited = 0; !eventLog.commitPublishes && ours(); waited += LOOK_AGAIN_MS) {
      const patient = waited < REFUSED_MS
      const found = await persist('a look for unpublished events', () => unpublished(through, patient))
      later = found ?? later
      if (found !== null && (found.size === 0 || !patient)) break
      await clock.sleep(LOOK_AGAIN_MS, signal)
    }
    return ours() && (await deps.caughtUp(partitions)) && ours() ? later : null
  }

  /**
   * From which sequence on the replay leaves out the events of an order, by order key. That is its first refused event. But what waits at
   * the destination already came from the log, so the earlier events were in the log, too, and the replay brings them: they are being
   * published again (`republish`), or a broker wrote them and did not say so.
   */
  async function leftOutFrom(
    refused: ReadonlyMap<string, number>,
    destination: string,
  ): Promise<ReadonlyMap<string, number>> {
    const from = new Map(refused)
    const orderKeys = [...refused.keys()]
    for (let at = 0; at < orderKeys.length; at += LOOK_UP_ORDERS) {
      const waiting = await store.lanes.existing(destination, orderKeys.slice(at, at + LOOK_UP_ORDERS))
      for (const orderKey of waiting) {
        const last = (await store.lanes.head(destination, orderKey, MOST_WAITING)).at(-1)
        if (last) from.set(orderKey, Math.max(last.sequence, refused.get(orderKey) ?? 0))
      }
    }
    return from
  }

  /** Lists the orders only when patience is over: normally everything is published a moment later. */
  const unpublished = async (through: number, patient: boolean): Promise<ReadonlyMap<string, number>> => {
    if (await store.replays.published(through)) return new Map()
    return patient ? SOME : store.replays.unpublished(through)
  }

  async function mark({ n }: ReplayRow, assignment: Assignment): Promise<boolean> {
    const { partition } = assignment
    const marked = await fenced.write('a replay that is queued', [assignment], async leases => {
      for (const lease of leases.values())
        await store.replays.queued(n, { partition, partitions: eventLog.partitions, lease })
    })
    if (!marked.has(assignment)) return false
    done.set(n, (done.get(n) ?? new WeakSet()).add(assignment))
    return true
  }

  return {
    get opening() {
      return requests.some(request => request.opening && missing(request).length > 0)
    },
    configure(list = requests) {
      requests = list
      for (const n of done.keys()) if (!requests.some(request => request.n === n)) done.delete(n)
      if (running || signal.aborted || !requests.some(request => missing(request).length > 0)) return
      running = true
      void Promise.resolve().then(run)
    },
    stop: () => stopping.abort(),
  }
}
