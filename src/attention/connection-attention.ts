import type { Connection } from '../../schemas/api.ts'
import { durationWords } from '../lib/duration.ts'
import { type Attention, eventsText, type Situation } from './situation.ts'

/** A connection may be this far behind before a person is told. */
const BEHIND_MS = 10 * 60_000
/** Events may wait this long for the event log before a person is told: a moment of publishing is no trouble. */
const UNPUBLISHED_MS = 60_000
/** What reconciliation found is told for this long. */
const FOUND_MS = 24 * 3_600_000

/** What needs attention of one connection. One that is turned off in the configuration needs none. */
export function attentionOfConnection(
  connection: Connection,
  { now, unpublished }: Pick<Situation, 'now' | 'unpublished'>,
): readonly Attention[] {
  const { id, state, enabled } = connection
  if (!enabled) return []
  const path = `/v1/connections/${encodeURIComponent(id)}`
  const poll = { name: 'Poll now', method: 'POST', path: `${path}/poll` } as const
  const look = { name: 'Look', method: 'GET', path } as const
  const lastSuccess = time(connection.lastSuccessAt)
  const lagMs = connection.lagSeconds === null ? 0 : connection.lagSeconds * 1000
  const about = (kind: string, severity: Attention['severity'], sentence: string, more: Partial<Attention>) => ({
    ...{ kind, severity, subject: id, since: null, sentence, reason: null, actions: [look] },
    ...more,
  })
  const found: Attention[] = []

  if (state === 'stopped')
    found.push(
      about('connection.stopped', 'critical', `${id} is stopped: the vendor refuses its credentials.`, {
        ...{ since: lastSuccess, reason: connection.lastError, actions: [poll, look] },
      }),
    )
  else if (state === 'failing')
    found.push(
      about('connection.failing', 'critical', `${id} is failing${sinceText(lastSuccess, now)}.`, {
        ...{ since: lastSuccess, reason: connection.lastError, actions: [poll, look] },
      }),
    )
  else if (lagMs > BEHIND_MS)
    found.push(
      about('connection.behind', 'warning', `${id} is ${durationWords(lagMs)} behind its vendor.`, {
        ...{ since: now - lagMs, reason: connection.lastError, actions: [poll, look] },
      }),
    )

  const waiting = unpublished.find(one => one.connection === id)
  if (waiting && now - waiting.oldestObservedAt > UNPUBLISHED_MS)
    found.push(
      about(
        'publishing.refused',
        'critical',
        `The event log does not take ${eventsText(waiting.count)} of ${id}; the oldest has waited ${durationWords(now - waiting.oldestObservedAt)}.`,
        { since: waiting.oldestObservedAt, reason: connection.lastError },
      ),
    )

  if (connection.webhooks?.silent)
    found.push(
      about(
        'connection.webhooks-silent',
        'warning',
        `${id} gets no webhooks any more, and polls find changes that none announced. Create the subscription at the vendor again.`,
        { since: time(connection.webhooks.lastReceivedAt) },
      ),
    )
  if (connection.clock !== null)
    found.push(
      about('connection.clock', 'warning', `The clocks of ${id}'s vendor and of this machine differ.`, {
        reason: connection.clock.warning,
      }),
    )

  const lastAt = time(connection.reconcile?.lastAt ?? null)
  if (connection.reconcile && connection.reconcile.events > 0 && lastAt !== null && now - lastAt < FOUND_MS)
    found.push(
      about(
        'reconcile.found',
        'warning',
        `The reconciliation of ${id} published ${eventsText(connection.reconcile.events)} that no poll had found.`,
        { since: lastAt },
      ),
    )
  return found
}

const time = (text: string | null): number | null => (text === null ? null : Date.parse(text))

const sinceText = (since: number | null, now: number): string =>
  since === null ? ' and was never read' : `; it was last read ${durationWords(now - since)} ago`
