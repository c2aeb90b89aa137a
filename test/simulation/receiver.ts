import { DEFAULT_DELIVERY, type Delivery } from '../../schemas/config.ts'
import type { EventType } from '../../schemas/order-event.ts'
import { GiveUp, type Handler } from '../../src/destinations/handlers/define-handler.ts'
import { handlerDestination } from '../../src/destinations/handlers/handler-destination.ts'
import type { Answer, Sender } from '../../src/destinations/webhooks/send.ts'
import type { Destination, Outcome } from '../../src/dispatch/destination.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createSigner } from '../../src/lib/sign.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { EndpointRow } from '../../src/store/port/endpoints.ts'
import type { Log } from '../../src/telemetry/log.ts'
import type { Life } from './session.ts'
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

/** What the checks want to know of each attempt. */
export interface Watch {
  trying(life: Life, receiver: Receiver, event: EventRecord, attempt: number): void
  /** The process has the answer. */
  answered(life: Life, receiver: Receiver, event: EventRecord, attempt: number, outcome: Outcome): void
  /** What arrived is not what was to be sent. */
  received(receiver: Receiver, problem: string): void
}

/** A handler or the other end of an endpoint; the program's own code for both is in between. */
export interface Receiver {
  readonly id: string
  readonly kind: Destination['kind']
  /** An endpoint that is made later, with all of the past. */
  readonly late: boolean
  readonly mood: Mood
  readonly delivery: Delivery
  wants(event: Pick<EventRecord, 'type' | 'connection'>): boolean
  /** Handlers only: as one process sees it. */
  handler(life: Life, log: Log): Destination
  /** Endpoints only: its row in the store. */
  row(seal: (text: string) => string, now: number): EndpointRow
  /** Endpoints only: takes one request of a process. */
  answer(life: Life, request: Parameters<Sender['send']>[0]): Promise<Answer>
  /** The destination, with its attempts told to the checks. */
  watched(life: Life, destination: Destination): Destination
}

const SECRET = 'whsec_c2ltdWxhdGVkIHNlY3JldCwgbm90IG9uZSBhdCBhbGw='
const FAILURES = [500, 404, 301, 503, 'reset'] as const

export function createReceiver(deps: {
  id: string
  kind: Destination['kind']
  late?: boolean
  types: readonly EventType[] | null
  connections: readonly string[] | null
  delivery: Partial<Delivery>
  time: Time
  random: Random
  trace: Trace
  watch: Watch
  /** The body of an event as the store has it. */
  bodyOf: (eventId: string) => string | undefined
}): Receiver {
  const { id, kind, time, random, trace, watch } = deps
  const types = deps.types ? new Set(deps.types) : null
  const connections = deps.connections ? new Set(deps.connections) : null
  const delivery: Delivery = { ...DEFAULT_DELIVERY, timeout: 5_000, ...deps.delivery }
  const mood = goodMood()
  const sign = createSigner([SECRET])
  /** Events that this endpoint has said yes to. */
  const accepted = new Set<string>()

  const usualTime = () => (random.chance(0.05) ? random.between(0, 3_000) : random.between(0, mood.usualMs))

  function handler(life: Life, log: Log): Destination {
    /** What becomes of one call, and when; never, where it hangs. */
    const run: Handler['run'] = () => {
      const ms = usualTime()
      if (random.chance(mood.hanging)) return new Promise(() => {})
      if (random.chance(mood.deaf)) return later(life, random.between(4_000, 9_000), () => {})
      if (random.chance(mood.givingUp))
        return later(life, ms, () => {
          throw new GiveUp('it never will')
        })
      const fails = random.chance(mood.failing)
      return later(life, ms, () => {
        if (fails) throw new AppError('not now', { code: 'simulation.failed', intent: 'retry' })
      })
    }
    const on: Handler['on'] = types ? [...types] : '*'
    return handlerDestination(id, { on, run }, { delivery, clock: life.clock, log })
  }

  const later = (life: Life, ms: number, end: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      time.after(ms, () =>
        life.run(() => {
          try {
            resolve(end())
          } catch (error) {
            reject(error)
          }
        }),
      )
    })

  /** An answer and when it is there; null: none ever comes. */
  function decide(now: number): { answer: Answer; ms: number } | null {
    const ms = usualTime()
    const answered = (statusCode: number, headers: Record<string, string> = {}): { answer: Answer; ms: number } => ({
      answer: { kind: 'answered', statusCode, headers, response: statusCode < 300 ? null : 'simulated' },
      ms,
    })
    if (random.chance(mood.hanging)) return null
    if (random.chance(mood.deaf)) return { ...answered(200), ms: random.between(4_000, 9_000) }
    if (random.chance(mood.gone)) return answered(410)
    if (random.chance(mood.asksForRest)) {
      const seconds = random.between(1, 60)
      const at = new Date(now + seconds * 1000).toUTCString()
      return answered(random.pick([429, 503] as const), { 'retry-after': random.chance(0.5) ? String(seconds) : at })
    }
    if (random.chance(mood.failing)) {
      const how = random.pick(FAILURES)
      return how === 'reset' ? { answer: { kind: 'failed', error: 'other side closed' }, ms } : answered(how)
    }
    return answered(random.pick([200, 202, 204] as const))
  }

  function judge({ headers, body: sent }: Parameters<Sender['send']>[0]): void {
    const body = sent.toString()
    const eventId = headers['webhook-id'] ?? ''
    const stored = deps.bodyOf(eventId)
    // An append that was under way when its process lost the lease may still be written, with lines that the log refused meanwhile. And
    // what is published again may be without the lines that it had before retention removed it.
    const lacksLines =
      [stored, body].some(text => text?.includes(NO_LINES)) && withoutLines(stored ?? '{}') === withoutLines(body)
    if (stored !== body && !lacksLines) watch.received(receiver, `${eventId} came with another body than the event's`)
    const signature = sign(eventId, Number(headers['webhook-timestamp']), body)
    if (!headers['webhook-signature']?.split(' ').includes(signature))
      watch.received(receiver, `${eventId} came with a wrong signature`)
  }

  const answer: Receiver['answer'] = (life, request) => {
    judge(request)
    return new Promise(resolve => {
      const end = (result: Answer) => {
        cancelTimeout()
        request.signal.removeEventListener('abort', aborted)
        if (result.kind === 'answered' && result.statusCode < 300) accepted.add(request.headers['webhook-id'] ?? '')
        resolve(result)
      }
      const aborted = () => end({ kind: 'aborted', error: 'aborted' })
      const cancelTimeout = life.clock.after(request.timeoutMs, () =>
        end({ kind: 'failed', error: `no answer within ${request.timeoutMs} ms` }),
      )
      if (request.signal.aborted) return aborted()
      request.signal.addEventListener('abort', aborted, { once: true })
      const decided = decide(life.clock.now())
      if (decided) time.after(decided.ms, () => life.run(() => end(decided.answer)))
    })
  }

  function watched(life: Life, destination: Destination): Destination {
    return {
      ...destination,
      async deliver(event, context) {
        if (life.state === 'dead') return new Promise<never>(() => {})
        const { attempt } = context
        const name = `${id} ${event.orderId}:${event.sequence} ${event.type} #${attempt}`
        trace.note(`${life.name} → ${name}`)
        watch.trying(life, receiver, event, attempt)
        const outcome = await destination.deliver(event, context)
        trace.note(`${life.name} ← ${name} ${outcome.result}`)
        if (kind === 'endpoint' && outcome.result === 'delivered' && !accepted.has(event.id))
          watch.received(receiver, `${event.id} was taken for delivered, and it was not`)
        watch.answered(life, receiver, event, attempt, outcome)
        return outcome
      },
    }
  }

  const receiver: Receiver = {
    id,
    kind,
    late: deps.late ?? false,
    mood,
    delivery,
    wants: ({ type, connection }) => (types?.has(type) ?? true) && (connections?.has(connection) ?? true),
    handler,
    row: (seal, now) => ({
      id,
      url: `https://${id}.example/hook`,
      types: deps.types,
      connections: deps.connections,
      secret: seal(SECRET),
      formerSecrets: [],
      restUntil: null,
      filter: null,
      headers: null,
      delivery: { ...delivery },
      description: null,
      state: 'active',
      stateReason: null,
      declared: false,
      createdAt: now,
      updatedAt: now,
    }),
    answer,
    watched,
  }
  return receiver
}

/** Requests of one process, each taken by the receiver whose address it names. */
export function senderOf(life: Life, receivers: readonly Receiver[]): Sender {
  const byHost = new Map(receivers.map(receiver => [`https://${receiver.id}.example/hook`, receiver]))
  return {
    send: request => {
      const receiver = byHost.get(request.url)
      return receiver
        ? receiver.answer(life, request)
        : Promise.resolve({ kind: 'failed', error: `nobody lives at ${request.url}` })
    },
    close: async () => {},
  }
}

const NO_LINES = '"lines":[]'
const withoutLines = (body: string): string =>
  JSON.stringify(JSON.parse(body), (name, value) => (name === 'lines' ? [] : value))
