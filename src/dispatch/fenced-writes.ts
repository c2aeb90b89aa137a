import type { Consumption, EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { isLeaseLost, type Lease } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'
import type { Assignment } from './assignment.ts'
import type { Persist } from './persist.ts'

/**
 * Writes that only the owner of a partition may make. Each holds the lease of the partition in its transaction, so a former owner that
 * did not notice its loss writes nothing.
 *
 * Where the log itself decides who owns a partition, the owner takes the lease over from the former one. A process that was paused just
 * before does so later than its successor. So a lease counts once the log, asked after it was taken, says that the partition is ours;
 * and an owner that lost it to such a late process takes it again.
 */
export interface FencedWrites {
  /** Asks the log whether the lease counts, so that no write has to wait for the answer. */
  confirm(assignment: Assignment): Promise<boolean>
  /**
   * Runs a write for these assignments, all at once or each by itself. Resolves with those it was made for. The others are closed:
   * they are not ours any more, or the dispatcher stopped.
   */
  write(what: string, assignments: Iterable<Assignment>, run: FencedWrite): Promise<ReadonlySet<Assignment>>
  /** null: no write waits for the log's answer; else one sentence. */
  health(): string | null
}

/** Rejects if one of the leases is lost, and has then written nothing. */
export type FencedWrite = (leases: ReadonlyMap<Assignment, Lease>) => Promise<unknown>

const ASK_AGAIN_MS = 500
/** A rebalance is over by then. */
const TROUBLE_AFTER_MS = 15_000

export function createFencedWrites(deps: {
  eventLog: Pick<EventLog, 'ownsAllPartitions'>
  holds: Consumption['holds']
  takeOver: (partition: number) => Promise<Lease>
  persist: Persist
  clock: Clock
  log: Log
}): FencedWrites {
  const { persist, clock, log } = deps
  const confirmed = new WeakSet<Lease>()
  const confirming = new Map<Lease, Promise<boolean>>()
  /** Partitions that the log was asked about in vain, for so long, and what it said last. */
  const asking = new Map<number, { readonly since: number; readonly answer: string }>()

  /** Asks until the log says yes, because a no may only mean that it is about to decide. False: the assignment ends. */
  async function isOurs(assignment: Assignment): Promise<boolean> {
    const { partition } = assignment
    const since = clock.monotonic()
    for (;;) {
      let answer = 'it says that the partition is not ours'
      const yes = await deps.holds([partition]).catch(error => {
        answer = messageOf(error)
        return false
      })
      asking.delete(partition)
      if (yes || assignment.state !== 'open') return yes
      asking.set(partition, { since, answer })
      await clock.sleep(ASK_AGAIN_MS, assignment.signal)
    }
  }

  function health(): string | null {
    for (const [partition, { since, answer }] of asking)
      if (clock.monotonic() - since >= TROUBLE_AFTER_MS)
        return `the event log does not confirm that partition ${partition} is ours, so failed deliveries cannot be put aside: ${answer}`
    return null
  }

  /** A lease that the log grants counts at once. */
  const isConfirmed = ({ lease }: Assignment) => deps.eventLog.ownsAllPartitions || confirmed.has(lease)

  async function confirm(assignment: Assignment): Promise<boolean> {
    if (isConfirmed(assignment)) return true
    const { lease } = assignment
    const asked = confirming.get(lease) ?? isOurs(assignment)
    confirming.set(lease, asked)
    const yes = await asked
    confirming.delete(lease)
    if (yes) confirmed.add(lease)
    return yes
  }

  /** False: a lease is lost, or an assignment is closed. null: the dispatcher stopped. */
  const attempt = (what: string, assignments: readonly Assignment[], run: FencedWrite): Promise<boolean | null> =>
    persist(what, async () => {
      if (assignments.some(isClosed)) return false
      try {
        await run(new Map(assignments.map(assignment => [assignment, assignment.lease])))
        return true
      } catch (error) {
        if (isLeaseLost(error)) return false
        throw error
      }
    })

  async function regain(assignment: Assignment): Promise<void> {
    const { partition } = assignment
    log.warn(
      { partition },
      'another process has taken this partition over; its writes wait until the log says who owns it',
    )
    if (deps.eventLog.ownsAllPartitions || !(await isOurs(assignment))) return assignment.close()
    const lease = await persist('a lease', () => deps.takeOver(partition))
    if (lease) assignment.lease = lease
  }

  async function writeOne(what: string, assignment: Assignment, run: FencedWrite): Promise<boolean> {
    for (let losses = 0; !isClosed(assignment); losses++) {
      if (losses > 1) await clock.sleep(ASK_AGAIN_MS, assignment.signal)
      // What is not written stays open in the log. Nothing behind it may be written or sent any more.
      if (!(await confirm(assignment))) assignment.close()
      const done = await attempt(what, [assignment], run)
      if (done) return true
      if (done === null) assignment.close()
      if (!isClosed(assignment)) await regain(assignment)
    }
    return false
  }

  return {
    confirm,
    health,
    async write(what, assignments, run) {
      const all = [...assignments].filter(assignment => !isClosed(assignment))
      if (all.every(isConfirmed) && (await attempt(what, all, run))) return new Set(all)
      const each = await Promise.all(all.map(assignment => writeOne(what, assignment, run)))
      return new Set(all.filter((_, index) => each[index]))
    },
  }
}

const isClosed = ({ state }: Assignment) => state === 'closed'
