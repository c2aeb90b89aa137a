import { type EventLog, PartlyRefused, TOO_LARGE } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import { withoutLines } from '../order/without-lines.ts'
import type { StoredEvent } from '../store/port/events.ts'
import { LEASE_LOST } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { createHeldBack, type Hold } from './held-back.ts'
import type { HeldLease } from './lease.ts'

const BATCH = 500
/** Orders held back that are tried again together. */
const ORDERS = 100
const SHORTEST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** How often to look for events that another process made unpublished again (`republish`). */
const LOOK_BEHIND_MS = 5_000

/**
 * The outbox of one connection: what is committed and not yet in the event log goes there, in order. A crash between the log's
 * acknowledgement and the mark repeats a batch with the same ids; nothing is skipped, because the mark comes last. What the log refuses
 * is held back with what must not overtake it, and tried again beside the rest.
 */
export function createOutbox(deps: {
  connection: string
  store: Store
  eventLog: EventLog
  held: HeldLease
  /** Called when new events can be read. */
  onPublished?: () => void
  clock: Clock
  log: Log
  /** Told when it changes why all events wait (`failing`) and why some do (`refused`); null: they do not. */
  report?: (trouble: { failing: string | null; refused: string | null }) => void
}) {
  const { connection, store, eventLog, held: lease, clock, log, report = () => {}, onPublished = () => {} } = deps
  const wakeUp = createWakeUp(clock)
  const retryBell = createWakeUp(clock)
  const heldBack = createHeldBack({ monotonic: clock.monotonic, partitionOf: eventLog.partitionOf })
  /** Up to this place in the history every event is published, in flight or held back. */
  let reached = 0
  /** Another number of partitions moves orders, so holds of the old ones say nothing. */
  let spread = eventLog.partitions
  /** When to look for events behind `reached` that were made unpublished again, by the clock that only goes forward. */
  let lookBehindAt = clock.monotonic() + LOOK_BEHIND_MS
  const failures = { forward: null as string | null, again: null as string | null }
  let said: string | null = null

  /** Reports what changed; the log has a line when it begins and when it is over. */
  function tell(): void {
    const failing = failures.forward ?? failures.again
    const refused = heldBack.sentence()
    report({ failing, refused })
    const trouble = failing ?? refused
    if (trouble === said) return
    if (trouble === null) log.info({ connection }, 'publishing again')
    else if (said === null)
      log.error(
        { connection, error: trouble },
        'cannot publish; events are kept, and published when the log takes them',
      )
    said = trouble
  }

  async function publishNew(): Promise<void> {
    // The embedded log reads the store itself: its events are published by their commit, and its readers need a nudge only.
    if (eventLog.kind === 'embedded') {
      await eventLog.append([])
      return onPublished()
    }
    for (;;) {
      if (eventLog.partitions !== spread) startAnew()
      const before = reached
      const page = await store.events.unpublished(connection, BATCH, { after: before })
      const last = page.at(-1)
      if (!last) return
      // Before anything else happens: who releases a hold must see what was passed over for it.
      reached = last.n
      const free = page.filter(event => {
        const hold = heldBack.of(event)
        if (hold) heldBack.waits(hold, event.n)
        return !hold
      })
      try {
        await publish(free)
      } catch (error) {
        reached = before
        throw error
      }
    }
  }

  /** Events up to `reached` that were made unpublished again; what is held back stays with its hold. */
  async function publishBehind(): Promise<void> {
    const end = reached
    for (let after = 0; after < end; ) {
      const page = await store.events.unpublished(connection, BATCH, { after })
      const behind = page.filter(({ n }) => n <= end)
      await publish(behind.filter(event => heldBack.of(event) === null))
      if (behind.length < BATCH) return
      after = behind.at(-1)?.n ?? end
    }
  }

  async function publishForward(): Promise<void> {
    if (eventLog.kind === 'kafka' && clock.monotonic() >= lookBehindAt) {
      lookBehindAt = clock.monotonic() + LOOK_BEHIND_MS
      await publishBehind()
    }
    await publishNew()
  }

  const waitForNew = () =>
    eventLog.kind === 'kafka' ? wakeUp.wait(lease.signal, LOOK_BEHIND_MS) : wakeUp.wait(lease.signal)

  function startAnew(): void {
    spread = eventLog.partitions
    reached = 0
    heldBack.clear()
  }

  /** Marks what the log has. What it refused is held back; anything else that goes wrong rejects. */
  async function publish(events: readonly StoredEvent[]): Promise<void> {
    if (events.length === 0) return
    const batch: StoredEvent[] = []
    for (const event of events) batch.push(eventLog.fits?.(event) === false ? ((await slimmed(event)) ?? event) : event)
    lease.assertFresh()
    const refusals = await eventLog.append(batch).then(
      () => [],
      error => {
        if (error instanceof PartlyRefused) return error.refusals
        throw error
      },
    )
    const refused = new Set(refusals.map(({ event }) => event.id))
    const written = batch.filter(({ id }) => !refused.has(id)).map(({ n }) => n)
    if (written.length > 0) {
      await store.events.markPublished(lease.lease, written, clock.now())
      onPublished()
    }
    const byId = new Map(batch.map(event => [event.id, event]))
    const held = refusals.flatMap(refusal => {
      const event = byId.get(refusal.event.id)
      return event ? [{ event, refusal, hold: heldBack.hold(refusal, event.n) }] : []
    })
    const orders = new Set<string>()
    for (const { event, refusal, hold } of held) {
      // Only the first of an order was refused for itself.
      const first = !orders.has(event.orderKey)
      orders.add(event.orderKey)
      const large = first && refusal.partition === null && refusal.error.code === TOO_LARGE
      if (large && (await slimmed(event))) hold.dueAt = clock.monotonic()
    }
    if (held.length > 0) retryBell.wake()
  }

  /**
   * The event without its lines, which the log may take. Nobody has been given the bytes it had: it is replaced in the store before it is
   * published, so they are the same everywhere. null: it has none, or is published.
   */
  async function slimmed(event: StoredEvent): Promise<StoredEvent | null> {
    const body = withoutLines(event)
    if (body === null || !(await store.events.replaceUnpublished(lease.lease, event.n, body))) return null
    log.warn(
      { connection, order: event.orderId, event: event.id, bytes: Buffer.byteLength(event.body) },
      'the event is larger than the topic takes; it is published without its lines',
    )
    return { ...event, body }
  }

  /** What is held back and due, each partition by itself and orders together. */
  async function publishAgain(): Promise<void> {
    for (const hold of heldBack.due('partition')) await again([hold])
    const orders = heldBack.due('order')
    for (let at = 0; at < orders.length; at += ORDERS) await again(orders.slice(at, at + ORDERS))
  }

  async function again(holds: readonly Hold[]): Promise<void> {
    const before = new Map(holds.map(hold => [hold, hold.refusals]))
    const notRefused = () => holds.filter(hold => hold.refusals === before.get(hold))
    const orderIds = holds.every(({ kind }) => kind === 'order')
      ? { orderIds: holds.map(({ orderId }) => orderId) }
      : {}
    let after = Math.min(...holds.map(({ from }) => from)) - 1
    for (let mine = notRefused(); mine.length > 0; mine = notRefused()) {
      const end = reached
      const page = await store.events.unpublished(connection, BATCH, { after, ...orderIds })
      await publish(
        page.filter(event => {
          const hold = heldBack.of(event)
          return event.n <= end && hold !== null && mine.includes(hold)
        }),
      )
      after = Math.min(page.length < BATCH ? end : (page.at(-1)?.n ?? end), end)
      for (const hold of notRefused()) {
        hold.from = after + 1
        if (after >= reached) heldBack.release(hold)
      }
      if (after >= reached) return
    }
  }

  /** Runs `work` at each ring until the lease ends; what goes wrong is tried again after a growing pause. */
  async function loop(
    place: keyof typeof failures,
    wait: () => Promise<void>,
    work: () => Promise<void>,
  ): Promise<void> {
    let pause = SHORTEST_PAUSE_MS
    while (!lease.signal.aborted) {
      try {
        await work()
        failures[place] = null
        tell()
        pause = SHORTEST_PAUSE_MS
        await wait()
      } catch (error) {
        if (lease.signal.aborted || isLeaseLost(error)) return lease.lost(error)
        failures[place] = messageOf(error)
        tell()
        await clock.sleep(pause, lease.signal)
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
      }
    }
  }

  return {
    /** There may be something to publish. */
    kick: wakeUp.wake,
    /** Some events were made unpublished again (`republish`). */
    lookBehind(): void {
      lookBehindAt = 0
      wakeUp.wake()
    },
    /** Publishes what there is, once. */
    publishAll: () => publishNew().then(publishAgain).then(tell),
    /** Publishes what there is, once; a failure is logged and left to the next start. */
    async flush(): Promise<void> {
      await publishNew()
        .then(publishAgain)
        .then(tell)
        .catch(error => log.error({ connection, error: messageOf(error) }, 'cannot publish; events are kept'))
    },
    /** Works until the lease ends. A log that cannot be reached delays events, loses none, and does not stop the polls. */
    async run(): Promise<void> {
      await Promise.all([
        loop('forward', waitForNew, publishForward), // at first what an earlier process left
        loop('again', () => retryBell.wait(lease.signal, heldBack.dueIn()), publishAgain),
      ])
    },
  }
}

/** Only this error says that another process works the connection: a log that refuses our credentials asks to stop as well. */
const isLeaseLost = (error: unknown): boolean => error instanceof AppError && error.code === LEASE_LOST
