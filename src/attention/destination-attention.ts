import type { Destination } from '../../schemas/api.ts'
import { durationWords } from '../lib/duration.ts'
import { type Attention, eventsText } from './situation.ts'

/** So many failures in a row, and no success between them, are no accident. */
const FAILURES = 20
/** An event may wait this long before a person is told. */
const WAITING_MS = 15 * 60_000

/** What needs attention of one destination: the worst of its troubles, as one entry. */
export function attentionOfDestination(destination: Destination, now: number): readonly Attention[] {
  const { id, state, stateReason, backlog, failuresInRow, lastError } = destination
  const path = `/v1/destinations/${encodeURIComponent(id)}`
  const resume = { name: 'Resume', method: 'POST', path: `${path}/resume` } as const
  const retry = { name: 'Try all now', method: 'POST', path: `${path}/retry` } as const
  const pause = { name: 'Pause', method: 'POST', path: `${path}/pause` } as const
  const look = { name: 'Look', method: 'GET', path: `/v1/deliveries?destination=${encodeURIComponent(id)}` } as const

  const waitingMs = destination.oldestWaitingSeconds === null ? 0 : destination.oldestWaitingSeconds * 1000
  const oldestAt = destination.oldestWaitingSeconds === null ? null : now - waitingMs
  const since = destination.failingSince === null ? null : Date.parse(destination.failingSince)
  const wait = backlog === 0 ? '' : ` ${eventsText(backlog)} ${backlog === 1 ? 'waits' : 'wait'}.`
  const length = since === null ? '' : ` for ${durationWords(now - since)}`
  const entry = (
    kind: string,
    severity: Attention['severity'],
    sentence: string,
    more: Partial<Attention>,
  ): readonly Attention[] => [
    { ...{ kind, severity, subject: id, since, reason: lastError, actions: [] }, sentence: sentence + wait, ...more },
  ]

  if (state === 'disabled')
    return entry('destination.disabled', 'critical', `${id} is disabled, and gets no events until it is resumed.`, {
      reason: stateReason ?? lastError,
      actions: [resume, look],
    })
  if (state === 'open')
    return entry(
      'destination.open',
      'critical',
      `${id} has failed${length}: its circuit is open, and only probes are sent.`,
      { actions: [retry, look, pause] },
    )
  if (state === 'paused')
    return waitingMs > WAITING_MS
      ? entry(
          'destination.paused',
          'warning',
          `${id} is paused; its oldest event has waited ${durationWords(waitingMs)}.`,
          {
            ...{ since: oldestAt, reason: stateReason, actions: [resume, look] },
          },
        )
      : []
  if (failuresInRow >= FAILURES)
    return entry(
      'destination.failing',
      'critical',
      `${id} has failed${length}: none of its last ${FAILURES} attempts was acknowledged.`,
      { actions: [retry, look, pause] },
    )
  if (destination.restingUntil !== null) {
    const left = durationWords(Date.parse(destination.restingUntil) - now)
    return entry('destination.resting', 'warning', `${id} asked for rest, and is sent nothing for another ${left}.`, {
      since: oldestAt,
      actions: [retry, look],
    })
  }
  if (waitingMs > WAITING_MS)
    return entry(
      'destination.waiting',
      'warning',
      `The oldest event of ${id} has waited ${durationWords(waitingMs)}.`,
      { since: oldestAt, actions: [retry, look] },
    )
  return []
}
