import type { Delivery } from '../../schemas/config.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { EventRecord } from '../order/event-record.ts'
import { tracing } from '../telemetry/tracing.ts'
import type { Destination, Outcome } from './destination.ts'

export const ABORTED: Outcome = { result: 'aborted', statusCode: null, error: null, response: null, restMs: null }

/**
 * One attempt. Never rejects: a destination that rejects has failed to deliver. If the destination was edited while the request was in
 * flight, what it says about itself (gone, Retry-After) is ignored.
 */
export function attempted(
  destination: () => Destination,
  event: EventRecord,
  context: Parameters<Destination['deliver']>[1],
): Promise<Outcome> {
  const traced = tracing()
  if (traced === null) return attemptOf(destination, event, context)
  const { id, kind } = destination()
  return traced.attempt(event, { destination: id, kind, ...context }, () => attemptOf(destination, event, context))
}

async function attemptOf(...[destination, event, context]: Parameters<typeof attempted>): Promise<Outcome> {
  const asked = destination()
  try {
    const outcome = await asked.deliver(event, context)
    if (destination().changedAt === asked.changedAt) return outcome
    return { ...outcome, result: outcome.result === 'gone' ? 'retry' : outcome.result, restMs: null }
  } catch (error) {
    return { ...ABORTED, result: 'retry', error: messageOf(error) }
  }
}

/** What happens to an event after an attempt. `keep`: it waits until its destination is resumed; the attempt does not count. */
export type Fate =
  | { readonly kind: 'delivered' | 'dead-letter' | 'keep' }
  | { readonly kind: 'retry'; readonly nextAt: number }

/** `attempt` counts from 1. `delivery.retries` holds the pause after each failed attempt; after the last comes the dead letter. */
export function fateOf(
  outcome: Outcome,
  attempt: number,
  { delivery, clock, random }: { delivery: Delivery; clock: Clock; random: () => number },
): Fate {
  if (outcome.result === 'delivered') return { kind: 'delivered' }
  if (outcome.result === 'gone') return { kind: 'keep' }
  const pause = delivery.retries[attempt - 1]
  if (outcome.result === 'give-up' || pause === undefined) return { kind: 'dead-letter' }
  return { kind: 'retry', nextAt: clock.now() + Math.max(jittered(pause, random), outcome.restMs ?? 0) }
}

/** Retries are spread by this share, so that events that failed together do not return together. */
const JITTER = 0.2

const jittered = (ms: number, random: () => number): number => Math.round(ms * (1 - JITTER + 2 * JITTER * random()))
