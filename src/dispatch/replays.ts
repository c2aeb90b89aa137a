import type { EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { ReplayRow } from '../store/port/replays.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Assignment } from './assignment.ts'
import type { Destination } from './destination.ts'
import type { Persist } from './persist.ts'
import { narrowed, wantedBy } from './replay-filter.ts'

/**
 * Brings past events into the backlog of one destination: replays, and what a new endpoint asked for (`opening`).
 *
 * Each partition's part is put in by whoever owns the partition, because only the owner knows what has been taken from the log. What it
 * has not taken in yet is not past: it will come by itself, and queued now it could overtake earlier events that are still in the log. So
 * the owner first takes in all there is, then queues the history up to there. A new endpoint is sent nothing meanwhile: what is taken
 * in for it goes into its backlog, which orders both by sequence. An event taken in before the owner knew of the endpoint was in the
 * history before that, so the look back, which begins later, finds it.
 *
 * A crash before a partition is marked as done means that its owner, the same or another, does it again; nothing has been sent by then.
 * The mark counts only under the owner's claim: a process that has lost the partition without noticing cannot speak for the one that has
 * it, which may not know of the endpoint yet.
 */
export interface Replays {
  /** The destination is new, and not all of its past is queued in the partitions we own: nothing may be sent. */
  readonly opening: boolean
  /** What is to be replayed to it, or the partitions we own, changed. */
  configure(requests?: readonly ReplayRow[]): void
  stop(): void
}

/** After the mark was refused, where the log cannot say whose a partition is: by then whoever took it from us has shown itself, or is no more. */
const CLAIM_AGAIN_MS = 30_000
const LOOK_AGAIN_MS = 500
/** What is not published after so long is held to be refused by the log. */
const REFUSED_MS = 10_000
const SOME: ReadonlyMap<string, number> = new Map([['', 0]])

export function createReplays(deps: {
  destination: () => Destination
  group: string
  store: Pick<Store, 'lanes' | 'replays'>
  eventLog: Pick<EventLog, 'partitions' | 'partitionOf' | 'commitPublishes'>
  assignments: ReadonlyMap<number, Assignment>
  caughtUp: (partitions: readonly number[]) => Promise<boolean>
  /** Puts what waits in memory only into the store, and waits for what is in flight from there. */
  setAside: (of: ReadonlySet<Assignment>) => Promise<boolean>
  /** Whether they are ours by the log's own word; null: it cannot say. */
  holds: (partitions: readonly number[]) => Promise<boolean | null>
  persist: Persist
  clock: Clock
  log: Log
  /** Something was queued, or `closed` may have changed. */
  changed: () => void
}): Replays {
  const { group, store, eventLog, assignments, persist, clock, log } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  /** What is done, by replay; more than the rows we were given last may say. */
  const done = new Map<number, WeakSet<Assignment>>()
  let requests: readonly ReplayRow[] = []
  let running = false

  /** Partitions of ours that are still to be done. */
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
        log.warn({ destination: deps.destination().id, error: messageOf(error) }, 'a replay goes on later')
        return false
      })
      // Never at once: what is in the way may need its turn to go.
      if (!queued) await clock.sleep(LOOK_AGAIN_MS, signal)
    }
    running = false
  }

  /** False: it is not done, because the partitions are not surely ours (yet, or any more), or the program is on its way out. */
  async function queue(request: ReplayRow, targets: readonly Assignment[]): Promise<boolean> {
    const ours = () => !signal.aborted && targets.every(({ state }) => state === 'open')
    const partitions = new Set(targets.map(({ partition }) => partition))
    if (!(await confirmed(targets))) return false
    const through = request.through ?? (await persist('the end of the history', () => store.replays.end()))
    const later = through === null ? null : await takenIn(through, [...partitions], ours)
    if (through === null || later === null) return false
    // What has never been delivered waits as what it is before the replay comes upon it; else it would be sent as a replay after a crash.
    if (!(await deps.setAside(new Set(targets)))) return false
    const destination = deps.destination()
    const filter = narrowed({ ...request.filter, through }, destination)
    const wanted = wantedBy(destination)
    const everywhere = partitions.size === eventLog.partitions
    const options = {
      signal,
      request: request.n,
      // What came between the making of an endpoint and our knowing of it is not past to anybody.
      ...(request.filter.behind !== undefined && { origin: 'live' as const }),
      ...((wanted || !everywhere || later.size > 0) && {
        wants: (event: Parameters<NonNullable<typeof wanted>>[0]) =>
          (everywhere || partitions.has(eventLog.partitionOf(event.orderKey))) &&
          event.sequence < (later.get(event.orderKey) ?? Number.POSITIVE_INFINITY) &&
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
   * A process that was held up between being given a partition and claiming it may claim it after its successor. So a claim is good once the log
   * has said after it that the partition is ours: whoever gets it later claims it later, too. A log that cannot say has leases, whose epochs order claims.
   */
  async function confirmed(targets: readonly Assignment[]): Promise<boolean> {
    const open = targets.filter(({ claim }) => !claim.confirmed)
    if (open.length === 0) return true
    const held = await deps.holds(open.map(({ partition }) => partition)).catch(() => false)
    if (held === false) return false
    for (const { claim } of open) claim.confirmed = true
    return true
  }

  /**
   * Waits until all up to this place in the history that is in our partitions has been taken from the log. What the log refuses is not waited
   * for: it is no past yet, and comes by itself once it is published. Resolves with the orders that have such events, and the first of each;
   * null: the partitions are not ours any more.
   */
  async function takenIn(
    through: number,
    partitions: readonly number[],
    ours: () => boolean,
  ): Promise<ReadonlyMap<string, number> | null> {
    let later: ReadonlyMap<string, number> = new Map()
    // The embedded log is the history itself; Kafka gets events a moment later.
    for (let waited = 0; !eventLog.commitPublishes && ours(); waited += LOOK_AGAIN_MS) {
      const patient = waited < REFUSED_MS
      const found = await persist('a look for unpublished events', () => unpublished(through, patient))
      later = found ?? later
      if (found !== null && (found.size === 0 || !patient)) break
      await clock.sleep(LOOK_AGAIN_MS, signal)
    }
    return ours() && (await deps.caughtUp(partitions)) && ours() ? later : null
  }

  /** In full only once it matters: normally there is nothing a moment later. */
  const unpublished = async (through: number, patient: boolean): Promise<ReadonlyMap<string, number>> => {
    if (await store.replays.published(through)) return new Map()
    return patient ? SOME : store.replays.unpublished(through)
  }

  async function mark({ n }: ReplayRow, assignment: Assignment): Promise<boolean> {
    const { partition, claim } = assignment
    const said = { group, partition, claim: claim.number, partitions: eventLog.partitions }
    const counted = await persist('a replay that is queued', () => store.replays.queued(n, said))
    if (counted) {
      const list = done.get(n) ?? new WeakSet()
      done.set(n, list.add(assignment))
    } else if (counted === false) {
      log.warn({ partition }, 'another process has taken this partition over; its replays wait until that is clear')
      await claimAgain(assignment)
    }
    return counted ?? false
  }

  /**
   * Another process has claimed our partition: it has it now, and we do not know yet, or it had it and was late. The log's word
   * before a new claim keeps us from taking the claim of who has it; its word after it is asked for by `confirmed`.
   */
  async function claimAgain(assignment: Assignment): Promise<void> {
    const { partition, claim } = assignment
    const ours = () => assignment.state === 'open' && !signal.aborted
    const held = () => deps.holds([partition]).catch(() => false)
    for (let waited = 0; ours(); waited += LOOK_AGAIN_MS) {
      const before = await held()
      if (ours() && (before ?? waited >= CLAIM_AGAIN_MS)) {
        claim.confirmed = false
        claim.number = (await store.replays.claim(group, [partition], claim.epoch)).get(partition) ?? 0
        return
      }
      await clock.sleep(LOOK_AGAIN_MS, signal)
    }
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
