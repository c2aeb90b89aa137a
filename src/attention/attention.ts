import { durationWords } from '../lib/duration.ts'
import { attentionOfConnection } from './connection-attention.ts'
import { attentionOfDestination } from './destination-attention.ts'
import { type Attention, eventsText, SEVERITIES, type Situation } from './situation.ts'

/** An expired dead letter is told for this long. */
const EXPIRED_MS = 7 * 24 * 3_600_000

/** What needs attention now, worst first, then the longest first. Pure. */
export function attention(situation: Situation): readonly Attention[] {
  const all = [
    ...ofProcess(situation),
    ...situation.connections.flatMap(connection => attentionOfConnection(connection, situation)),
    ...situation.destinations.flatMap(destination => attentionOfDestination(destination, situation.now)),
    ...ofDeadLetters(situation),
    ...ofQuarantine(situation),
  ]
  const rank = ({ severity }: Attention) => SEVERITIES.indexOf(severity)
  const age = ({ since }: Attention) => since ?? Number.MAX_SAFE_INTEGER
  return all.toSorted((a, b) => rank(a) - rank(b) || age(a) - age(b) || (a.subject < b.subject ? -1 : 1))
}

const PARTS = {
  store: { subject: 'store', sentence: 'The store does not work.' },
  'event-log': { subject: 'event-log', sentence: 'The event log does not work.' },
  ingest: { subject: 'process', sentence: 'No connection is polled.' },
  dispatch: { subject: 'process', sentence: 'This process delivers nothing.' },
} as const

function ofProcess({ failing, notice, standby }: Situation): Attention[] {
  // Whoever stands by polls and delivers nothing on purpose.
  const troubles = failing.filter(({ part }) => !standby || part === 'store' || part === 'event-log')
  const found: Attention[] = troubles.map(({ part, sentence: reason }) => ({
    kind: `${part}.failing`,
    severity: 'critical',
    since: null,
    reason,
    actions: [],
    ...PARTS[part],
  }))
  if (notice !== null)
    found.push({
      kind: 'event-log.went-back',
      severity: 'warning',
      subject: 'event-log',
      since: null,
      sentence: 'The event log went back within the last day: events may be repeated or missing.',
      reason: notice,
      actions: [{ name: 'Verify', method: 'GET', path: '/v1/verify' }],
    })
  if (standby)
    found.push({
      kind: 'process.standby',
      severity: 'info',
      subject: 'process',
      since: null,
      sentence: 'This process stands by: another process works, and this one takes over when it ends.',
      reason: null,
      actions: [],
    })
  return found
}

function ofDeadLetters({ now, deadLetters, expired }: Situation): Attention[] {
  const groups: Attention[] = deadLetters.map(({ destination, error, count, firstAt, lastAt }) => ({
    kind: 'dead-letter',
    severity: 'warning',
    subject: destination,
    since: firstAt,
    sentence: `${destination} did not get ${eventsText(count)} of the last 24 hours; the latest was given up ${durationWords(now - lastAt)} ago.`,
    reason: error,
    actions: [
      {
        name: 'Redrive',
        method: 'POST',
        path: '/v1/dead-letters/redrive',
        body: { destination, error },
      },
    ],
  }))
  const gone = [...expired].filter(([, { lastAt }]) => now - lastAt < EXPIRED_MS)
  return [
    ...groups,
    ...gone.map(
      ([destination, { count, lastAt }]): Attention => ({
        kind: 'dead-letter.expired',
        severity: 'warning',
        subject: destination,
        since: lastAt,
        sentence: `Retention deleted dead letters of ${destination} that nobody redrove, ${count} in all.`,
        reason: null,
        actions: [],
      }),
    ),
  ]
}

const ofQuarantine = ({ quarantine }: Situation): Attention[] =>
  quarantine.map(({ connection, count, since, reason }) => ({
    kind: 'quarantine',
    severity: 'warning',
    subject: connection,
    since,
    sentence: `${connection} has ${count === 1 ? '1 quarantine entry' : `${count} quarantine entries`}: orders or values that could not be understood.`,
    reason,
    actions: [{ name: 'Look', method: 'GET', path: `/v1/quarantine?connection=${encodeURIComponent(connection)}` }],
  }))
