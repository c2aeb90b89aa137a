import type { AlertName } from '../../schemas/alert.ts'
import type { AlertChanges, AlertState } from '../store/port/alerts.ts'

/** Decides what to announce. Pure: from what was announced and what is seen now, to notices and what is remembered of them. */

const SECOND = 1_000
const MINUTE = 60 * SECOND

type Trouble = 'failing' | 'disabled' | 'stopped' | 'refused'

/** Something that is in a trouble or not. */
export interface Observation {
  readonly kind: 'endpoint' | 'connection' | 'publishing'
  readonly id: string
  /** `unknown`: nothing new can be said, for example because it is paused. */
  readonly condition: Trouble | 'ok' | 'unknown'
  /** When the trouble began, or (`ok`) when it last worked; null: not known. */
  readonly since: number | null
  /** The delay before the notice counts from here; absent: from `since`. */
  readonly delayFrom?: number
  /** In the words of the receiver, the vendor or the event log. */
  readonly reason: string | null
}

/** Dead letters of a destination that were not announced. */
interface NewLetters {
  readonly destination: string
  readonly newest: number
  readonly count: number
  readonly lastError: string | null
}

export interface View {
  readonly observations: readonly Observation[]
  readonly letters: readonly NewLetters[]
  /** Destinations that have dead letters, with the number of the newest. */
  readonly newestLetters: ReadonlyMap<string, number>
  /** The last complete reconciliation of each connection. */
  readonly reconciled: readonly { readonly connection: string; readonly at: number; readonly events: number }[]
}

export interface Notice {
  readonly name: AlertName
  readonly kind: 'endpoint' | 'connection' | 'destination'
  readonly id: string
  readonly at: number
  readonly since: number | null
  readonly reason: string | null
  /** Dead letters, or events that reconciliation found. */
  readonly count: number | null
}

/** Who is notified, and of what. */
export interface Receiver {
  readonly key: string
  readonly on: readonly AlertName[]
}

/** How long a trouble lasts before it is announced. */
const TROUBLES: Readonly<Record<Observation['kind'], Partial<Record<Trouble, { name: AlertName; delayMs: number }>>>> =
  {
    endpoint: {
      failing: { name: 'endpoint.failing', delayMs: 5 * MINUTE },
      disabled: { name: 'endpoint.disabled', delayMs: 0 },
    },
    connection: {
      failing: { name: 'connection.failing', delayMs: 15 * MINUTE },
      stopped: { name: 'connection.stopped', delayMs: 0 },
    },
    // A partition without a leader refuses for some seconds.
    publishing: { refused: { name: 'publishing.refused', delayMs: 30 * SECOND } },
  }
const RECOVERED: Readonly<Record<Observation['kind'], AlertName | null>> = {
  endpoint: 'endpoint.recovered',
  connection: 'connection.recovered',
  publishing: null,
}
/** From one notice of dead letters to the next, for each destination. */
const LETTERS_EVERY = 10 * MINUTE

/** Remembers that a receiver is not new: what happened before it was configured is not announced. */
const KNOWN = 'receiver'
const lettersOf = (destination: string) => `dead-letter/${destination}`

type States = ReadonlyMap<string, AlertState>

export function evaluate(receiver: Receiver, states: States, view: View, now: number): Evaluation {
  const { key: alert, on } = receiver
  const put: AlertState[] = []
  const notices: (Notice & { readonly subject: string })[] = []
  const kept = new Set([KNOWN])
  const isNew = !states.has(KNOWN)
  const fresh = (subject: string): AlertState => ({
    ...{ alert, subject, condition: null, since: null, announced: null, announcedAt: null, mark: 0 },
  })
  function announce(subject: string, notice: Omit<Notice, 'at'>): void {
    if (on.includes(notice.name)) notices.push({ ...notice, at: now, subject })
  }

  function evaluateTrouble(observation: Observation): void {
    const { kind, id, condition, reason } = observation
    const subject = `${kind}/${id}`
    const state = states.get(subject)
    const about = { kind: kind === 'endpoint' ? ('endpoint' as const) : ('connection' as const), id, count: null }
    if (condition === 'unknown') {
      kept.add(subject)
      return
    }
    if (condition === 'ok') {
      if (!state) return
      // Nothing proves yet that it works: it was resumed or configured anew, and not tried since.
      if (observation.since === null || observation.since < (state.since ?? 0)) {
        kept.add(subject)
        return
      }
      const name = RECOVERED[kind]
      if (name && state.announced) announce(subject, { ...about, name, since: state.since, reason: null })
      return
    }
    kept.add(subject)
    const trouble = TROUBLES[kind][condition]
    if (!trouble) return
    const began = state?.condition === condition ? state.since : observation.since
    const since = Math.min(began ?? now, now)
    const next = { ...(state ?? fresh(subject)), condition, since }
    const isDue = now - Math.min(observation.delayFrom ?? since, now) >= trouble.delayMs
    if (!isDue || next.announced === condition) {
      put.push(next)
      return
    }
    announce(subject, { ...about, name: trouble.name, since, reason })
    // Whoever asked for recoveries only is told of each.
    const told = on.includes(trouble.name) || !Object.values(TROUBLES[kind]).some(({ name }) => on.includes(name))
    put.push(told ? { ...next, announced: condition, announcedAt: now } : next)
  }

  function evaluateLetters(): void {
    for (const [destination, newest] of view.newestLetters) {
      const subject = lettersOf(destination)
      kept.add(subject)
      if (isNew) put.push({ ...fresh(subject), mark: newest })
    }
    if (isNew) return
    for (const { destination, newest, count, lastError } of view.letters) {
      const subject = lettersOf(destination)
      const state = states.get(subject) ?? fresh(subject)
      put.push({ ...state, mark: newest, announcedAt: now })
      if (count > 0)
        announce(subject, {
          ...{ name: 'dead-letter', kind: 'destination', id: destination, count },
          since: state.announcedAt,
          reason: lastError,
        })
    }
    // The limit outlives the letters that were redriven meanwhile.
    for (const [subject, { announcedAt }] of states)
      if (subject.startsWith(lettersOf('')) && announcedAt !== null && isWithin(announcedAt, now)) kept.add(subject)
  }

  function evaluateReconciliations(): void {
    for (const { connection, at, events } of view.reconciled) {
      const subject = `reconcile/${connection}`
      const state = states.get(subject) ?? fresh(subject)
      kept.add(subject)
      if (state.mark === at) continue
      put.push({ ...state, mark: at })
      if (events > 0 && !isNew)
        announce(subject, {
          ...{ name: 'reconcile.found', kind: 'connection', id: connection, count: events },
          ...{ since: at, reason: null },
        })
    }
  }

  if (isNew) put.push({ ...fresh(KNOWN), since: now })
  for (const observation of view.observations) evaluateTrouble(observation)
  evaluateLetters()
  evaluateReconciliations()
  const changed = put.filter(state => !isSame(states.get(state.subject), state))
  const remove = [...states.values()].filter(({ subject }) => !kept.has(subject))
  return { put: changed, remove, notices }
}

export interface Evaluation extends Pick<AlertChanges, 'put' | 'remove'> {
  readonly notices: readonly (Notice & { readonly subject: string })[]
}

/** Destinations whose new dead letters may be announced now, with the number of the last one announced. */
export function dueLetters(
  states: States,
  newest: View['newestLetters'],
  now: number,
): { id: string; after: number }[] {
  if (!states.has(KNOWN)) return []
  return [...newest].flatMap(([id, latest]) => {
    const { mark: after, announcedAt } = states.get(lettersOf(id)) ?? { mark: 0, announcedAt: null }
    return latest > after && !(announcedAt !== null && isWithin(announcedAt, now)) ? [{ id, after }] : []
  })
}

/** A wrong clock that was put right makes nothing wait. */
const isWithin = (announcedAt: number, now: number): boolean => now >= announcedAt && now - announcedAt < LETTERS_EVERY

const isSame = (a: AlertState | undefined, b: AlertState): boolean =>
  a !== undefined &&
  a.condition === b.condition &&
  a.since === b.since &&
  a.announced === b.announced &&
  a.announcedAt === b.announcedAt &&
  a.mark === b.mark
