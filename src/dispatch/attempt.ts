import type { Delivery } from '../../schemas/config.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Fate } from './attempt-report.ts'
import type { Destination, Outcome } from './destination.ts'
import { jittered, pauseAfter } from './retry.ts'

export const ABORTED: Outcome = { result: 'aborted', statusCode: null, error: null, response: null, restMs: null }

/**
 * One attempt. A destination promises never to reject; one that does all the same has failed to deliver. What one that was changed while it was asked
 * said of itself (gone, or in want of rest) counts no more: it may be another address now.
 */
export async function attempted(
  destination: () => Destination,
  event: EventRecord,
  context: Parameters<Destination['deliver']>[1],
): Promise<Outcome> {
  const asked = destination()
  try {
    const outcome = await asked.deliver(event, context)
    if (destination().changedAt === asked.changedAt) return outcome
    return { ...outcome, result: outcome.result === 'gone' ? 'retry' : outcome.result, restMs: null }
  } catch (error) {
    return { ...ABORTED, result: 'retry', error: messageOf(error) }
  }
}

/** What becomes of an event after its attempt number `attempt` (from 1). */
export function fateOf(
  outcome: Outcome,
  attempt: number,
  { delivery, clock, random }: { delivery: Delivery; clock: Clock; random: () => number },
): Fate {
  if (outcome.result === 'delivered') return { kind: 'delivered' }
  if (outcome.result === 'gone') return { kind: 'keep' }
  const pause = pauseAfter(attempt, delivery)
  if (outcome.result === 'give-up' || pause === null) return { kind: 'bury' }
  return { kind: 'retry', nextAt: clock.now() + Math.max(jittered(pause, random), outcome.restMs ?? 0) }
}
