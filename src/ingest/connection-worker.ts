import type { EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createMutex } from '../lib/mutex.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AppliedPage } from './apply-page.ts'
import { backfill, type Gaps } from './backfill.ts'
import type { OrderRef, PollOptions, PollResult, ReadResult } from './ingest-control.ts'
import { createLeaseOnDemand, type HeldLease, withLease } from './lease.ts'
import { createOutbox } from './outbox.ts'
import { poll } from './poll.ts'
import { throughStore } from './poll-request.ts'
import type { PollTarget } from './poll-target.ts'
import { pollOrders } from './read-orders.ts'
import { createReconciler } from './reconcile.ts'
import { createRefetcher } from './refetch.ts'
import { createBackfills } from './requested-backfills.ts'
import { repeatedly } from './rest-after.ts'
import { createRounds } from './round.ts'
import { createTroubles, type Loop } from './troubles.ts'

/** How long a command that ends waits until its events are published. */
const PUBLISH_MS = 2_000

export type ConnectionWorker = ReturnType<typeof createConnectionWorker>

/**
 * Works one connection while it holds the lease. Loops run beside each other: polls, gaps, single orders and backfills on request,
 * reconciliation, publishing. When the lease or the process is lost, the next holder repeats the work and gets the same event ids.
 */
export function createConnectionWorker(deps: {
  polled: PollTarget
  eventLog: EventLog
  onPublished?: () => void
  owner: string
  /** Other processes may work this connection. */
  shared: boolean
  store: Store
  clock: Clock
  log: Log
  metrics: Metrics
}) {
  const { polled, eventLog, owner, shared, store, clock, metrics } = deps
  const { connection, source, applyPage, reader } = polled
  const log = deps.log.child({ connection })
  const troubles = createTroubles({ connection, connections: store.connections, log, metrics })
  const rounds = createRounds({ polled, troubles, log, metrics })
  const oneRoundAtATime = createMutex()
  const pollWakeUp = createWakeUp(clock)
  const gapWakeUp = createWakeUp(clock)
  /** Woken by every successful poll. */
  const recovered = {
    orders: createWakeUp(clock),
    gaps: createWakeUp(clock),
    reconcile: createWakeUp(clock),
    backfills: createWakeUp(clock),
  }
  const noteTrouble = (loop: Loop) => (error: unknown) =>
    troubles.report(loop, error === null ? null : messageOf(error))
  const took = (taken: readonly AppliedPage[]) => publishWhatIsNew(taken)
  const parts = { polled, clock, log, metrics, took }
  const refetcher = createRefetcher(parts)
  const reconciler = createReconciler({
    ...parts,
    pollWentWell: recovered.reconcile,
    onTrouble: noteTrouble('reconcile'),
  })
  const backfills = createBackfills({
    ...parts,
    pollWentWell: recovered.backfills,
    onTrouble: noteTrouble('requested'),
  })
  const retried = { troubles, clock, log }
  const gapSteps = {
    ...{ ...retried, loop: 'backfill' as const, pollWentWell: recovered.gaps },
    message: 'backfill interrupted; it continues where it stopped',
  }
  const orderSteps = {
    ...{ ...retried, loop: 'orders' as const, pollWentWell: recovered.orders },
    message: 'could not read single orders; trying again',
  }
  /** The process that works the connection, if another one does. */
  const holder = throughStore({ requests: store.pollRequests, clock })
  const leaseHere = createLeaseOnDemand({ leases: store.leases, connection, owner, clock, log })
  /** Takes the lease for one piece of work, publishes its events, and lets the lease go. */
  const once = <T>(signal: AbortSignal, run: (held: HeldLease) => Promise<T>): Promise<T> =>
    leaseHere.once(signal, run, held => outboxOf(held).flush())
  /** Backfills that a command works on, without `run`. */
  const alone = { ended: new AbortController(), work: null as Promise<void> | null }
  let running = false
  /** When the next poll is due, by the monotonic clock. */
  let dueAt = 0
  /** The last poll failed. */
  let hasFailed = false
  /** A poll was requested since the last one began, which may have missed the reason. */
  let woken = false
  let current: { held: HeldLease; publish: () => void; lookBehind: () => void } | null = null

  const live = (signal: AbortSignal) => ({ signal, priority: 'live' as const })
  const outboxOf = (held: HeldLease) =>
    createOutbox({
      ...{ connection, store, eventLog, held, clock, log },
      ...(deps.onPublished && { onPublished: deps.onPublished }),
      report: ({ failing, refused }) => {
        troubles.report('publish', failing)
        troubles.report('refused', refused)
      },
    })

  async function work(held: HeldLease): Promise<void> {
    const publisher = outboxOf(held)
    current = { held, publish: publisher.kick, lookBehind: publisher.lookBehind }
    troubles.under(held.lease)
    try {
      const loops = [
        publisher.run(),
        pollLoop(held),
        gapLoop(held),
        orderLoop(held),
        reconciler.run(held),
        backfills.run(held),
      ]
      await Promise.all(loops.map(loop => loop.catch(held.lost)))
    } finally {
      current = null
      troubles.under(null)
    }
  }

  function publishWhatIsNew(taken: readonly AppliedPage[]): void {
    if (taken.some(({ events }) => events.length > 0)) current?.publish()
  }

  async function round(held: HeldLease, signal: AbortSignal, options: { onRequest: boolean }) {
    woken = false
    const result = await rounds.run(held, signal, options)
    troubles.report('lease', null)
    if (woken) dueAt = 0
    else if (result.pauseMs !== null) dueAt = clock.monotonic() + result.pauseMs
    pollWakeUp.wake()
    if (result.error === null) {
      if (hasFailed) refetcher.retry()
      publishWhatIsNew(result.taken)
      for (const wakeUp of Object.values(recovered)) wakeUp.wake()
    } else current?.publish() // the first pages of the failed poll may be stored
    hasFailed = result.error !== null
    gapWakeUp.wake()
    return result
  }

  /** Each round sets when the next is due. A successful round on request does too: the vendor works again sooner than expected. */
  async function pollLoop(held: HeldLease): Promise<void> {
    dueAt = 0
    while (!held.signal.aborted) {
      const pause = dueAt - clock.monotonic()
      if (pause > 0) await pollWakeUp.wait(held.signal, pause)
      else
        await oneRoundAtATime(async () => dueAt <= clock.monotonic() && round(held, held.signal, { onRequest: false }))
    }
  }

  async function gapLoop(held: HeldLease): Promise<void> {
    if (reader === null) return
    const options = { signal: held.signal, priority: 'backfill' as const }
    const take = async (page: Parameters<typeof applyPage>[1]) => {
      publishWhatIsNew([await applyPage(held.lease, page, options)])
    }
    while (!held.signal.aborted) {
      await gapWakeUp.wait(held.signal)
      await repeatedly(held, gapSteps, () =>
        backfill({ reader, gaps: gapsOf(held), lease: held.lease, take }, options).then(() => null),
      )
    }
  }

  function gapsOf({ lease }: HeldLease): Gaps {
    return {
      list: async () => (await store.connections.get(connection))?.gaps ?? [],
      replace: (closed, opened) => store.connections.update(lease, connection, { gaps: { closed, opened } }),
    }
  }

  const orderLoop = (held: HeldLease): Promise<void> => refetcher.run(held, step => repeatedly(held, orderSteps, step))

  /** A poll on request, of one order or of the connection. `held` null: a dry run, which writes nothing. */
  async function ask(held: HeldLease | null, options: PollOptions): Promise<readonly AppliedPage[]> {
    const { signal, orderId, userId = null } = options
    const lease = held?.lease ?? null
    if (orderId !== undefined)
      return [await pollOrders(polled, lease, [{ orderId, userId }], { ...live(signal), dryRun: !held })]
    if (!held) return (await poll(polled, null, { ...live(signal), dryRun: true })).taken
    if (source.feed.kind === 'follow') await store.follows.wake(connection, clock.now())
    const { taken, error } = await round(held, signal, { onRequest: true })
    if (error !== null) throw error
    return taken
  }

  async function pollHere(options: PollOptions): Promise<PollResult> {
    const taken = await oneRoundAtATime(() => {
      if (options.dryRun) return ask(null, options)
      if (current) return ask(current.held, options)
      if (running) return Promise.reject(leaseHere.elsewhere())
      return once(options.signal, held => ask(held, options))
    })
    publishWhatIsNew(taken)
    return {
      orders: taken.reduce((sum, { rows }) => sum + rows, 0),
      events: taken.flatMap(({ events }) => events),
      quarantined: taken.reduce((sum, { quarantined }) => sum + quarantined, 0),
    }
  }

  /** Needs no lease, because it changes nothing. Live priority: at a lower one it would wait for ever where polls use the whole rate limit. */
  async function readHere(refs: readonly OrderRef[], signal: AbortSignal): Promise<ReadResult> {
    const { orders, rejects } = await source.fetch(refs, live(signal))
    return { snapshots: orders, rejects }
  }

  async function workAlone(): Promise<void> {
    if (shared && (await leaseHere.take()) === null) return
    await once(alone.ended.signal, held => backfills.workOff(held, { alone: true }))
  }

  return {
    connection,
    /** This process works the connection now. */
    holds: (): boolean => current !== null,
    /** The store has requests to read orders. */
    refetch: refetcher.wake,
    /** The store has a request for a backfill. Without a server it is worked here, unless another process works the connection. */
    backfill(): void {
      backfills.wake()
      if (running || current || alone.work) return
      alone.work = workAlone()
        .catch(error => log.warn({ error: messageOf(error) }, 'cannot work on the backfill'))
        .finally(() => {
          alone.work = null
        })
    },
    async close(): Promise<void> {
      // Events of what was read are still published.
      await Promise.race([alone.work, clock.sleep(PUBLISH_MS)])
      alone.ended.abort()
      await alone.work
    },
    wake() {
      woken = true
      dueAt = 0
      pollWakeUp.wake()
    },
    /** Why polls or publishing do not work; null: they work. Events that the log refuses do not count. */
    trouble: () => troubles.of('lease') ?? rounds.trouble() ?? troubles.of('publish'),
    /** All that is wrong with the connection, loop by loop; null: nothing. */
    troubles: (): string | null =>
      [rounds.trouble(), troubles.sentence()].filter(sentence => sentence !== null).join(' ') || null,

    async run(signal: AbortSignal): Promise<void> {
      running = true
      const trouble = (why: string | null) => troubles.report('lease', why)
      await withLease({ ...leaseHere.deps, signal, trouble }, work)
    },

    pollHere,
    readHere,

    /** Publishes now. If another process works the connection, that process looks by itself. */
    async publish(): Promise<void> {
      if (current) return current.lookBehind()
      if (running || (shared && (await leaseHere.take()) === null)) return
      await once(new AbortController().signal, held => outboxOf(held).publishAll())
    },

    /** Reads here, or in the process that works the connection: the vendor limits requests, and may accept one token only. */
    async read(refs: readonly OrderRef[], signal: AbortSignal): Promise<ReadResult> {
      if (!shared || current) return readHere(refs, signal)
      const lease = await leaseHere.take()
      if (!lease) return holder.read(connection, refs, signal)
      return readHere(refs, signal).finally(() => running || store.leases.release(lease))
    },

    /** Polls here, or in the process that works the connection. */
    async poll(options: PollOptions): Promise<PollResult> {
      const isElsewhere = shared && !current && !options.dryRun && (running || (await leaseHere.take()) === null)
      return isElsewhere ? holder.poll(connection, options) : pollHere(options)
    },
  }
}
