import { pino } from 'pino'
import { DEFAULT_DELIVERY, type Delivery } from '../../schemas/config.ts'
import type { EventType } from '../../schemas/order-event.ts'
import type { Destination, Outcome } from '../../src/dispatch/destination.ts'
import { createDispatcher, type Dispatcher, type DispatcherDeps } from '../../src/dispatch/dispatcher.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { type MemoryClock, memoryClock } from '../helpers/memory-clock.ts'
import { type MemoryEventLog, memoryEventLog } from '../helpers/memory-event-log.ts'
import { type MemoryStore, memoryStore } from '../helpers/memory-store.ts'

export const silent = pino({ level: 'silent' })
const metrics = createMetrics()

export const outcome = (result: Outcome['result'], more: Partial<Outcome> = {}): Outcome => ({
  result,
  statusCode: null,
  error: result === 'delivered' ? null : `said ${result}`,
  response: null,
  restMs: null,
  ...more,
})

export interface Send {
  readonly destination: string
  readonly event: EventRecord
  readonly attempt: number
  readonly replay: boolean
  readonly at: number
}

type Script = (send: Send, signal: AbortSignal) => Outcome | Promise<Outcome>

export interface RigOptions {
  readonly partitions?: number
  readonly batch?: number
  /** True, the default: the log behaves as the embedded one. False: as Kafka. */
  readonly embedded?: boolean
  readonly delivery?: Partial<Delivery>
  readonly random?: () => number
  readonly queueLimit?: number
  /** Milliseconds a call to the store takes until it has its effect, and until its answer is back. */
  readonly latency?: () => number
}

/**
 * A dispatcher on stores in memory under a driven clock, with destinations that answer by script. What the guarantees say is
 * watched on the way: `violations` lists each event tried before an earlier one of its order was acknowledged or given up.
 */
export function createRig(options: RigOptions = {}) {
  const clock: MemoryClock = memoryClock()
  const log: MemoryEventLog = memoryEventLog(options)
  const store: MemoryStore = memoryStore({ partitionOf: log.partitionOf })
  const destinations = new Map<string, Destination>()
  const sends: Send[] = []
  const violations: string[] = []
  const acknowledged = new Set<string>()
  const published = new Map<string, EventRecord[]>()
  /** Events of the store that `published` has. */
  let count = 0
  const disabled: { id: string; reason: string }[] = []
  let life = 0
  let dispatcher: Dispatcher | null = null

  /** Was it acknowledged, or given up? */
  const done = (destination: string, id: string) =>
    acknowledged.has(`${destination} ${id}`) || store.letters(destination).some(letter => letter.event.id === id)

  /** Those of one order, in the order of their first publication. */
  const eventsOfOrder = (key: string): readonly EventRecord[] => {
    if (published.size === 0 || count !== store.events.size) {
      published.clear()
      for (const event of store.events.values()) {
        const list = published.get(event.orderKey)
        if (list) list.push(event)
        else published.set(event.orderKey, [event])
      }
      count = store.events.size
    }
    return published.get(key) ?? []
  }

  function watch(send: Send): void {
    const { destination, event } = send
    const wants = destinations.get(destination)
    for (const earlier of eventsOfOrder(event.orderKey)) {
      if (earlier.sequence >= event.sequence) continue
      if (wants?.types && !wants.types.has(earlier.type)) continue
      if (!done(destination, earlier.id)) violations.push(`${destination}: ${event.id} before ${earlier.id}`)
    }
  }

  function destination(
    id: string,
    script: Script = () => outcome('delivered'),
    own: {
      kind?: Destination['kind']
      state?: Destination['state']
      types?: readonly EventType[]
      connections?: readonly string[]
      delivery?: Partial<Delivery>
    } = {},
  ): void {
    destinations.set(id, {
      id,
      kind: own.kind ?? 'handler',
      state: own.state ?? 'active',
      types: own.types ? new Set(own.types) : null,
      connections: own.connections ? new Set(own.connections) : null,
      delivery: { ...DEFAULT_DELIVERY, ...options.delivery, ...own.delivery },
      async deliver(event, { attempt, replay, signal }) {
        const send = { destination: id, event, attempt, replay, at: clock.now() }
        sends.push(send)
        watch(send)
        const result = await script(send, signal)
        if (result.result === 'delivered') acknowledged.add(`${id} ${event.id}`)
        return result
      },
    })
  }

  /** A port of which the dispatcher sees nothing any more once its process is dead: calls neither happen nor return. */
  function mortal<T extends object>(port: T, calls: { left: number; readonly lastHappens: boolean }): T {
    const born = life
    return new Proxy(port, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          if (born !== life) return new Promise(() => {})
          const slow = options.latency
          if (slow) return slowly(slow, () => member.apply(target, args))
          if (--calls.left === 0) {
            if (calls.lastHappens) Promise.resolve(member.apply(target, args)).catch(() => {})
            crash()
            return new Promise(() => {})
          }
          return member.apply(target, args)
        }
      },
    })
  }

  /** A destination as one process sees it: once that is dead it sends nothing, and no answer reaches it. */
  function seen(from: Destination): Destination {
    const born = life
    const never = () => new Promise<never>(() => {})
    return {
      ...from,
      async deliver(event, context) {
        if (born !== life) return never()
        const answer = await from.deliver(event, context)
        return born === life ? answer : never()
      },
    }
  }

  async function slowly(latency: () => number, call: () => unknown): Promise<unknown> {
    const born = life
    const pass = async () => {
      await clock.sleep(latency())
      if (born !== life) await new Promise(() => {})
    }
    await pass()
    const result = await call()
    await pass()
    return result
  }

  async function start(more: Partial<DispatcherDeps> & { crashAfterCalls?: number } = {}): Promise<Dispatcher> {
    const { crashAfterCalls = Number.POSITIVE_INFINITY, ...over } = more
    const calls = { left: crashAfterCalls, lastHappens: crashAfterCalls % 2 === 0 }
    const started = createDispatcher({
      store: {
        lanes: mortal(store.lanes, calls),
        replays: mortal(store.replays, calls),
        leases: mortal(store.leases, calls),
        deliveries: mortal(store.deliveries, calls) as never,
      },
      eventLog: log,
      clock,
      log: silent,
      metrics,
      group: 'test',
      destinations: async () => [...destinations.values()].map(seen),
      async disable(id, reason) {
        disabled.push({ id, reason })
        const found = destinations.get(id)
        if (found) destinations.set(id, { ...found, state: 'disabled' })
      },
      test: async () => ({ statusCode: 200, ms: 1, error: null }),
      random: options.random ?? (() => 0.5),
      ...(options.queueLimit ? { queueLimit: options.queueLimit } : {}),
      ...over,
    })
    dispatcher = started
    // A start that its own crash interrupts never returns.
    void started.start().catch(() => {})
    await clock.flush()
    return started
  }

  /** The process dies: nothing it has in memory counts, nothing it still does has an effect. */
  function crash(): void {
    life++
    log.crash()
    dispatcher = null
  }

  const set = (id: string, change: Partial<Destination>): void => {
    const found = destinations.get(id)
    if (found) destinations.set(id, { ...found, ...change })
  }

  return {
    clock,
    log,
    store,
    sends,
    violations,
    disabled,
    destinations,
    destination,
    set,
    start,
    crash,
    done,
    async publish(...events: EventRecord[]): Promise<void> {
      for (const event of events) store.events.set(event.id, event)
      await log.append(events)
    },
    /** Everything published is committed and no lane waits. */
    quiet: () =>
      Array.from({ length: log.partitions }, (_, partition) => log.settled(partition)).reduce((a, b) => a + b, 0) >=
        store.events.size &&
      store.asked === 0 &&
      [...destinations.keys()].every(id => store.rows(id).length === 0),
    /** What a destination was sent, as `order:sequence`. */
    trace: (id: string): string[] =>
      sends.filter(send => send.destination === id).map(({ event }) => `${event.orderId}:${event.sequence}`),
    get dispatcher(): Dispatcher {
      if (!dispatcher) throw new Error('no dispatcher runs')
      return dispatcher
    },
  }
}
export type Rig = ReturnType<typeof createRig>

/** `event('a', 2)` is the second event of order a. */
export const event = (
  orderId: string,
  sequence = 1,
  type: EventType = 'order.paid',
  connection = 'shop',
): EventRecord => eventRecord({ orderId, sequence, type, connection })

/** Events 1…count of each order, one order after the other by turns. */
export const eventsOfOrders = (orders: readonly string[], count: number): EventRecord[] =>
  Array.from({ length: count }, (_, index) => orders.map(order => event(order, index + 1))).flat()
