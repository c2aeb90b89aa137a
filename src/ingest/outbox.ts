import { type EventLog, PartlyRefused, type Refusal, TOO_LARGE } from '../event-log/event-log.ts'
import { createBackOff } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import { withoutLines } from '../order/without-lines.ts'
import type { StoredEvent } from '../store/port/events.ts'
import { isLeaseLost } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { createHeldBack, type Hold } from './held-back.ts'
import type { HeldLease } from './lease.ts'

const BATCH = 500
/** So many held orders are tried again together. */
const ORDERS = 100
const PAUSES = { firstMs: 500, longestMs: 10_000 }
/** How often to look for events that another process made unpublished again (`republish`). */
const LOOK_BEHIND_MS = 5_000

/**
 * The outbox of one connection: publishes committed events to the event log, in order. Events are marked after the log acknowledged them,
 * so a crash in between repeats a batch with the same ids and skips nothing. Refused events, and those that must not overtake them, are
 * held back and tried again beside the others.
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
  /** Called when it changes why all events wait (`failing`) or some do (`refused`); null: they do not wait. */
  report?: (trouble: { failing: string | null; refused: string | null }) => void
}) {
  const { connection, store, eventLog, held: lease, clock, log, report = () => {}, onPublished = () => {} } = deps
  const wakeUp = createWakeUp(clock)
  const retryWakeUp = createWakeUp(clock)
  const heldBack = createHeldBack({ monotonic: clock.monotonic, partitionOf: eventLog.partitionOf })
  /** Up to this place in the history every event is published, being published or held back. */
  let reached = 0
  /** The number of partitions that the holds are for. Another number moves orders to other partitions. */
  let spread = eventLog.partitions
  /** When to look next for events up to `reached` that were made unpublished again, by the monotonic clock. */
  let lookBehindAt = clock.monotonic() + LOOK_BEHIND_MS
  const failures = { forward: null as string | null, again: null as string | null }
  let said: string | null = null

  /** Reports changes; logs when publishing begins to fail and when it works again. */
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
    // The embedded log reads the store itself: the commit has published the events, and its readers only need to be woken.
    if (eventLog.commitPublishes) {
      await eventLog.append([])
      return onPublished()
    }
    for (;;) {
      if (eventLog.partitions !== spread) startAnew()
      const before = reached
      // Held events are not read each time. Where nothing is held, those that were made unpublished again are read with the new ones.
      const after = heldBack.any ? before : 0
      const page = await store.events.unpublished(connection, BATCH, { after })
      const last = page.at(-1)
      if (!last) return
      // Set before any await: the code that releases a hold must see the events that were skipped for it.
      reached = Math.max(before, last.n)
      try {
        const free = page.filter(event => heldBack.of(event) === null)
        await publish(after === 0 ? free : await overtakingNone(free, before))
      } catch (error) {
        reached = before
        throw error
      }
    }
  }

  /** Leaves out the orders that still have unpublished events up to `before`: `publishBehind` publishes all of theirs, in order. */
  async function overtakingNone(events: readonly StoredEvent[], before: number): Promise<readonly StoredEvent[]> {
    if (events.length === 0) return events
    const orderIds = [...new Set(events.map(({ orderId }) => orderId))]
    const waiting = await store.events.unpublished(connection, BATCH, { orderIds })
    const behind = waiting.filter(({ n }) => n <= before)
    if (behind.length === 0) return events
    lookBehindAt = 0
    // There may be more of them.
    if (behind.length === BATCH) return []
    const late = new Set(behind.map(({ orderKey }) => orderKey))
    return events.filter(({ orderKey }) => !late.has(orderKey))
  }

  /** Publishes events up to `reached` that were made unpublished again, except those held back. */
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
    if (eventLog.commitPublishes) return publishNew()
    do {
      if (clock.monotonic() >= lookBehindAt) {
        lookBehindAt = clock.monotonic() + LOOK_BEHIND_MS
        if (heldBack.any) await publishBehind()
      }
      await publishNew()
    } while (lookBehindAt === 0 && !lease.signal.aborted)
  }

  const waitForNew = () =>
    eventLog.commitPublishes ? wakeUp.wait(lease.signal) : wakeUp.wait(lease.signal, LOOK_BEHIND_MS)

  function startAnew(): void {
    spread = eventLog.partitions
    reached = 0
    heldBack.clear()
  }

  /** Appends events and marks them. Holds back refused ones; rejects on any other failure. */
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
      await store.events.markPublished(lease.lease, connection, written)
      onPublished()
    }
    const byId = new Map(batch.map(event => [event.id, event]))
    const held = refusals.flatMap(refusal => {
      const event = byId.get(refusal.event.id)
      return event ? [{ event, refusal, hold: heldBack.hold(refusal) }] : []
    })
    try {
      await slimLarge(held)
    } finally {
      if (held.length > 0) retryWakeUp.wake()
    }
  }

  /** Takes the lines out of refused events that are too large, and makes their holds due. */
  async function slimLarge(held: readonly { event: StoredEvent; refusal: Refusal; hold: Hold }[]): Promise<void> {
    const orders = new Set<string>()
    for (const { event, refusal, hold } of held) {
      // Only the first event of an order was refused for itself.
      const first = !orders.has(event.orderKey)
      orders.add(event.orderKey)
      const large = first && refusal.partition === null && refusal.error.code === TOO_LARGE
      if (large && (await slimmed(event))) hold.dueAt = clock.monotonic()
    }
  }

  /**
   * The event without its lines, which the log may take. It is replaced in the store before it is published, so its bytes are the same
   * everywhere. null: it has no lines, or is published.
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

  /** Tries due holds again: each partition by itself, orders together. */
  async function publishAgain(): Promise<void> {
    for (const hold of heldBack.due('partition')) await again([hold])
    const orders = heldBack.due('order')
    for (let at = 0; at < orders.length; at += ORDERS) await again(orders.slice(at, at + ORDERS))
  }

  /**
   * Publishes what waits for these holds, from its beginning: earlier events of an order that were made unpublished again go first.
   * Releases the holds that nothing waits for any more.
   */
  async function again(holds: readonly Hold[]): Promise<void> {
    const before = new Map(holds.map(hold => [hold, hold.refusals]))
    const notRefused = () => holds.filter(hold => hold.refusals === before.get(hold))
    const orderIds = holds.every(({ kind }) => kind === 'order')
      ? { orderIds: holds.map(({ orderId }) => orderId) }
      : {}
    let after = 0
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
      if (after >= reached) return notRefused().forEach(heldBack.release)
    }
  }

  /** Runs `work` after each `wait` until the lease ends. A failure is tried again after a growing pause. */
  async function loop(
    place: keyof typeof failures,
    wait: () => Promise<void>,
    work: () => Promise<void>,
  ): Promise<void> {
    const backOff = createBackOff(PAUSES)
    while (!lease.signal.aborted) {
      try {
        await work()
        failures[place] = null
        tell()
        backOff.reset()
        await wait()
      } catch (error) {
        if (lease.signal.aborted || isLeaseLost(error)) return lease.lost(error)
        failures[place] = messageOf(error)
        tell()
        await clock.sleep(backOff.next(), lease.signal)
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
    /** Publishes all unpublished events once. */
    publishAll: () => publishNew().then(publishAgain).then(tell),
    /** As `publishAll`; a failure is only logged, and the next start publishes. */
    async flush(): Promise<void> {
      await publishNew()
        .then(publishAgain)
        .then(tell)
        .catch(error => log.error({ connection, error: messageOf(error) }, 'cannot publish; events are kept'))
    },
    /** Works until the lease ends. An unreachable log delays events; it loses none and stops no poll. */
    async run(): Promise<void> {
      await Promise.all([
        loop('forward', waitForNew, publishForward), // begins with what an earlier process left
        loop('again', () => retryWakeUp.wait(lease.signal, heldBack.dueIn()), publishAgain),
      ])
    },
  }
}
