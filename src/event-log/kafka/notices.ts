import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Misfit } from './position.ts'

/** A position that does not fit the log of its partition. */
export interface MisfitFound {
  readonly group: string
  readonly partition: number
  readonly misfit: Misfit
  /** The next offset by the old position. */
  readonly next: number
  /** The offset where reading continues. */
  readonly from: number
}

export interface Notices {
  add(found: MisfitFound): void
  /** One sentence that people should know about the log; null: nothing. */
  text(): string | null
  close(): void
}

/** A log usually goes back in all partitions. Findings within GATHER_MS are one message; later ones within SAME_MS are no new warning. */
const GATHER_MS = 500
const SAME_MS = 60_000
/** How long `text` returns it. */
const SHOWN_MS = 24 * 3_600_000

const CAUSE = 'the topic was made anew or restored, or an unclean leader was elected'
const WHAT: Readonly<Record<Exclude<Misfit, 'expired'>, string>> = {
  'ends-below': `ends below what was read (${CAUSE})`,
  'other-record': `is not the log that was read (${CAUSE})`,
  'position-gone':
    'was read before, and Kafka has no position of the group any more (the topic was made anew, or the positions expired)',
}
const ANY = `ends below what was read, or is not the log that was read (${CAUSE})`
const PUT_BACK =
  'Put back what the log has lost: `orderwire republish --since T`, with a time before the loss; T is a time or an age such as 2d.'

/** Logs once for many partitions that the log went back, and keeps the message for `/readyz`. */
export function createNotices(deps: { topic: string; clock: Clock; log: Log; metrics: Metrics }): Notices {
  const { topic, clock, log, metrics } = deps
  let gathered: MisfitFound[] = []
  let cancel: (() => void) | null = null
  let saidAt = Number.NEGATIVE_INFINITY
  let shown: { readonly text: string; readonly at: number } | null = null

  function say(): void {
    cancel = null
    if (gathered.length === 0) return
    const level = clock.monotonic() - saidAt < SAME_MS ? 'info' : 'warn'
    saidAt = clock.monotonic()
    log[level]({ topic, found: gathered }, textOf(gathered))
    gathered = []
  }

  function textOf(found: readonly MisfitFound[]): string {
    const [expired, back] = [found.filter(isExpired), found.filter(one => !isExpired(one))]
    const parts = [
      back.length > 0 &&
        `in topic "${topic}" ${named(back)} ${whatOf(back)}. It is read again from its beginning; events that come again carry their known ids.`,
      expired.length > 0 &&
        `in topic "${topic}" ${named(expired)} has lost events to its retention before they were read (${ranges(expired)}). Reading goes on with the first event there is.`,
    ]
    return `The event log went back: ${parts.filter(part => part !== false).join(' And ')} ${PUT_BACK}`
  }

  return {
    add(found) {
      metrics.logMisfits.inc({ reason: found.misfit })
      gathered.push(found)
      shown = { text: textOf(gathered), at: clock.now() }
      cancel ??= clock.after(GATHER_MS, say)
    },
    text() {
      if (!shown || clock.now() - shown.at >= SHOWN_MS) return null
      return `${shown.text} Noticed at ${new Date(shown.at).toISOString()}.`
    },
    close() {
      if (!cancel) return
      cancel()
      say()
    },
  }
}

const isExpired = ({ misfit }: MisfitFound): boolean => misfit === 'expired'

function named(found: readonly MisfitFound[]): string {
  const partitions = [...new Set(found.map(({ partition }) => partition))].sort((a, b) => a - b)
  return partitions.length === 1 ? `partition ${partitions[0]}` : `each of the partitions ${partitions.join(', ')}`
}

function whatOf(found: readonly MisfitFound[]): string {
  const [misfit, ...others] = new Set(found.map(one => one.misfit))
  return others.length > 0 || misfit === undefined || misfit === 'expired' ? ANY : WHAT[misfit]
}

const ranges = (found: readonly MisfitFound[]): string =>
  found.map(({ partition, next, from }) => `events ${next} to ${from - 1} of partition ${partition}`).join(', ')
