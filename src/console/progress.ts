import type { Store } from '../store/store.ts'
import { counted } from './markup.ts'
import type { Message } from './messages.ts'

/** Of so many of the newest attempts. */
const ATTEMPTS = 5_000

/** How the events of a redrive fare: "384 queued: 350 delivered, 34 failed again". */
export async function redriveProgress(
  { deliveries }: Pick<Store, 'deliveries'>,
  { destination, queued, since }: NonNullable<Message['follow']>,
): Promise<string> {
  const attempts = await deliveries.recent(destination, ATTEMPTS)
  const latest = new Map<string, string>()
  // Newest first: the first one of an event is its latest.
  for (const { eventId, at, origin, outcome } of attempts)
    if (at >= since && origin === 'redrive' && !latest.has(eventId)) latest.set(eventId, outcome)
  const outcomes = [...latest.values()]
  const delivered = outcomes.filter(outcome => outcome === 'delivered').length
  const failed = outcomes.length - delivered
  const waiting = Math.max(0, queued - outcomes.length)
  const parts = [
    `${delivered} delivered`,
    failed > 0 && `${failed} failed again`,
    waiting > 0 && `${waiting} not tried yet`,
  ]
  return `${counted(queued, 'event')} queued: ${parts.filter(Boolean).join(', ')}.`
}
