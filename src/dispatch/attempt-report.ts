import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { BacklogOrigin } from '../store/port/lanes.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { tracing } from '../telemetry/tracing.ts'
import type { Fate } from './attempt.ts'
import type { AttemptRecorder } from './attempts.ts'
import type { Outcome } from './destination.ts'

export interface AttemptReport {
  readonly event: EventRecord
  readonly origin: BacklogOrigin
  readonly attempt: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly ms: number
  readonly outcome: Outcome
  readonly fate: Fate
}

const OUTCOME = { delivered: 'delivered', 'dead-letter': 'dead', retry: 'retry', keep: 'retry' } as const

/** Reports each attempt of one destination: a row for people to look at, the metrics, one wide log line. */
export function createReport(deps: {
  destination: string
  recorder: AttemptRecorder
  metrics: Metrics
  log: Log
  clock: Clock
}): (report: AttemptReport) => void {
  const { destination, recorder, metrics, log, clock } = deps
  const counts = {
    delivered: metrics.deliveries.of(destination, 'delivered'),
    retry: metrics.deliveries.of(destination, 'retry'),
    dead: metrics.deliveries.of(destination, 'dead'),
  }
  const seconds = metrics.deliverySeconds.of(destination)
  const observedToAck = metrics.observedToAck.of(destination)
  const changeToAck = metrics.changeToAck.of(destination)

  return ({ event, origin, attempt, at, ms, outcome, fate }) => {
    const result = OUTCOME[fate.kind]
    const { statusCode, error, response } = outcome
    recorder.record({
      destination,
      eventId: event.id,
      ...(event.n !== undefined && { eventN: event.n }),
      orderKey: event.orderKey,
      attempt,
      at,
      outcome: result,
      statusCode,
      ms: Math.round(ms),
      error,
      response,
      origin,
    })
    counts[result].inc()
    seconds.observe(ms / 1000)
    if (result === 'delivered' && origin === 'live') {
      const now = clock.now()
      observedToAck.observe(Math.max(0, now - event.observedAt) / 1000)
      if (event.occurredAtSource === 'vendor') changeToAck.observe(Math.max(0, now - event.occurredAt) / 1000)
    }
    if (result === 'delivered' && !log.isLevelEnabled('debug')) return
    const line = {
      destination,
      event: event.id,
      type: event.type,
      order: event.orderKey,
      sequence: event.sequence,
      origin,
      attempt,
      outcome: result,
      status: statusCode,
      ms: Math.round(ms),
      ...(error === null ? {} : { error }),
      ...tracing()?.fields(event.id),
      ...(fate.kind === 'retry' ? { nextAt: new Date(fate.nextAt).toISOString() } : {}),
    }
    if (result === 'delivered') log.debug(line, 'delivered')
    else if (result === 'dead') log.warn(line, 'delivery given up: dead letter')
    else log.info(line, 'delivery failed')
  }
}
