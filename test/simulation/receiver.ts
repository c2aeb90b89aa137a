import { DEFAULT_DELIVERY, type Delivery } from '../../schemas/config.ts'
import type { EventType } from '../../schemas/order-event.ts'
import type { Destination, Outcome } from '../../src/dispatch/destination.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Life } from './life.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

/** How a receiver behaves at the moment, as shares of its answers. */
export interface Mood {
  failing: number
  hanging: number
  /** It takes the event, and its answer comes too late or not at all. */
  deaf: number
  givingUp: number
  asksForRest: number
  gone: number
  usualMs: number
}

export const goodMood = (): Mood => ({
  failing: 0,
  hanging: 0,
  deaf: 0,
  givingUp: 0,
  asksForRest: 0,
  gone: 0,
  usualMs: 20,
})

export interface Receiver {
  readonly id: string
  readonly kind: Destination['kind']
  readonly mood: Mood
  readonly delivery: Delivery
  state: Destination['state']
  wants(event: Pick<EventRecord, 'type' | 'connection'>): boolean
  /** As one process sees it. */
  connect(life: Life): Destination
}

/** What the checks want to know of each attempt. */
export interface Watch {
  trying(life: Life, receiver: Receiver, event: EventRecord, attempt: number): void
  /** The process has the answer. */
  answered(life: Life, receiver: Receiver, event: EventRecord, attempt: number, outcome: Outcome): void
}

export function createReceiver(deps: {
  id: string
  kind: Destination['kind']
  types: readonly EventType[] | null
  connections: readonly string[] | null
  delivery: Partial<Delivery>
  time: Time
  random: Random
  trace: Trace
  watch: Watch
}): Receiver {
  const { id, kind, time, random, trace, watch } = deps
  const types = deps.types ? new Set(deps.types) : null
  const connections = deps.connections ? new Set(deps.connections) : null
  const delivery: Delivery = {
    ...DEFAULT_DELIVERY,
    timeout: 5_000,
    retries: [2_000, 10_000, 30_000, 60_000, 120_000],
    ...deps.delivery,
  }
  const mood = goodMood()

  const outcome = (result: Outcome['result'], more: Partial<Outcome> = {}): Outcome => ({
    result,
    statusCode: null,
    error: result === 'delivered' ? null : result,
    response: null,
    restMs: null,
    ...more,
  })

  function answer(): { outcome: Outcome; ms: number } {
    const ms = random.chance(0.05) ? random.between(0, 3_000) : random.between(0, mood.usualMs)
    if (random.chance(mood.hanging)) return { outcome: outcome('retry'), ms: Number.POSITIVE_INFINITY }
    if (random.chance(mood.deaf)) return { outcome: outcome('delivered'), ms: random.between(4_000, 9_000) }
    if (random.chance(mood.gone) && kind === 'endpoint') return { outcome: outcome('gone', { statusCode: 410 }), ms }
    if (random.chance(mood.givingUp)) return { outcome: outcome('give-up'), ms }
    if (random.chance(mood.asksForRest) && kind === 'endpoint')
      return { outcome: outcome('retry', { statusCode: 429, restMs: random.between(1, 60) * 1000 }), ms }
    if (random.chance(mood.failing)) return { outcome: outcome('retry', { statusCode: 500 }), ms }
    return { outcome: outcome('delivered', { statusCode: 200 }), ms }
  }

  function connect(life: Life): Destination {
    return {
      id,
      kind,
      state: receiver.state,
      delivery,
      types,
      connections,
      deliver: (event, { attempt, signal }) => {
        if (life.state === 'dead') return new Promise<never>(() => {})
        watch.trying(life, receiver, event, attempt)
        const name = `${id} ${event.orderId}:${event.sequence} ${event.type} #${attempt}`
        trace.note(`${life.name} → ${name}`)
        return new Promise(resolve => {
          const end = (result: Outcome) => {
            cancelTimeout()
            signal.removeEventListener('abort', aborted)
            trace.note(`${life.name} ← ${name} ${result.result}`)
            watch.answered(life, receiver, event, attempt, result)
            resolve(result)
          }
          const aborted = () => end(outcome('aborted'))
          const cancelTimeout = life.clock.after(delivery.timeout, () => end(outcome('retry', { error: 'timeout' })))
          if (signal.aborted) return aborted()
          signal.addEventListener('abort', aborted, { once: true })
          const { outcome: result, ms } = answer()
          let over = false
          const once = () => {
            if (over || signal.aborted) return
            over = true
            end(result)
          }
          if (ms < delivery.timeout) time.after(ms, () => life.run(once))
        })
      },
    }
  }

  const receiver: Receiver = {
    id,
    kind,
    mood,
    delivery,
    state: 'active',
    wants: ({ type, connection }) => (types?.has(type) ?? true) && (connections?.has(connection) ?? true),
    connect,
  }
  return receiver
}
