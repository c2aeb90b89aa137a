import type { Clock } from '../clock.ts'
import type { Log, Metrics } from '../observe.ts'
import type { Misfit } from './kafka-position.ts'

/** A position that does not fit the log of its partition. */
export interface MisfitFound {
  readonly group: string
  readonly partition: number
  readonly misfit: Misfit
  /** What was to be read next. */
  readonly next: number
  /** Where reading goes on. */
  readonly from: number
}

export interface Notices {
  add(found: MisfitFound): void
  /** What people should know of the log: one sentence; null: nothing. */
  text(): string | null
  close(): void
}

/** What goes back usually goes back in all partitions at once, and is said once. */
const GATHER_MS = 500
/** How long `/readyz` shows it. */
const SHOWN_MS = 24 * 3_600_000

const WHAT: Readonly<Record<Misfit, string>> = {
  'ends-below': 'ends below what was read (the topic was made anew or restored, or an unclean leader was elected)',
  'other-record': 'is not the log that was read (the topic was made anew or restored, or an unclean leader was elected)',
  'position-gone': 'was read before, and Kafka has no position of the group any more (the topic was made anew, or its positions expired)',
  expired: 'has lost events to its retention before they were read',
}

/** Says once for many partitions when the log went back, and keeps it to be shown. */
export function createNotices(deps: { topic: string; clock: Clock; log: Log; metrics: Metrics }): Notices {
  const { topic, clock, log, metrics } = deps
  let gathered: MisfitFound[] = []
  let cancel: (() => void) | null = null
  let shown: { readonly text: string; readonly at: number } | null = null

  function say(): void {
    cancel = null
    for (const [misfit, found] of Map.groupBy(gathered, one => one.misfit)) {
      const text = sentence(misfit, found)
      log.warn({ topic, misfit, partitions: found.map(({ partition, next, from }) => ({ partition, next, from })) }, text)
    }
    gathered = []
  }

  function sentence(misfit: Misfit, found: readonly MisfitFound[]): string {
    const partitions = [...new Set(found.map(({ partition }) => partition))].sort((a, b) => a - b)
    const which = partitions.length === 1 ? `partition ${partitions[0]}` : `each of the partitions ${partitions.join(', ')}`
    const [first] = found
    const range = misfit === 'expired' && first ? ` (events ${first.next} to ${first.from - 1} of partition ${first.partition})` : ''
    const then =
      misfit === 'expired'
        ? `Reading goes on with the first event there is.`
        : `It is read again from its beginning; events that come again carry their known ids.`
    return (
      `The event log went back: in topic "${topic}" ${which} ${WHAT[misfit]}${range}. ${then} ` +
      'Put back what the log has lost: `orderwire republish --since T`, with a time before the loss.'
    )
  }

  return {
    add(found) {
      metrics.logMisfits.inc({ reason: found.misfit })
      gathered.push(found)
      shown = { text: sentence(found.misfit, gathered.filter(({ misfit }) => misfit === found.misfit)), at: clock.now() }
      cancel ??= clock.after(GATHER_MS, say)
    },
    text: () => (shown && clock.now() - shown.at < SHOWN_MS ? `${shown.text} Noticed at ${new Date(shown.at).toISOString()}.` : null),
    close() {
      if (!cancel) return
      cancel()
      say()
    },
  }
}
