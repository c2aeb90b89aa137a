import { type Clock, timestamp } from '../lib/clock.ts'
import { type AppError, messageOf } from '../lib/errors.ts'
import type { Window } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { QuarantinedSpan, QuarantineStore } from '../store/port/quarantine.ts'
import type { Log } from '../telemetry/log.ts'

/** The pauses before an unreadable span is read again; the last one repeats. */
const PAUSES_MS = [60_000, 300_000, 1_800_000, 3_600_000] as const
/** At most so many spans are read again after one poll. */
const MOST_REVISITS = 5

/** The spans of one connection that cannot be read, and when they are read again. Kept in the store's quarantine. */
export interface QuarantinedSpans {
  list(): Promise<readonly QuarantinedSpan[]>
  /** Those to be read again now, the longest due first. */
  due(): Promise<readonly QuarantinedSpan[]>
  /** No page of this window can be read. `lease` null: a dry run. */
  add(lease: Lease | null, window: Window, error: AppError): Promise<void>
  /** A due span still cannot be read. */
  failed(lease: Lease, span: QuarantinedSpan): Promise<void>
  /** A due span could be read. */
  mended(lease: Lease, span: QuarantinedSpan): Promise<void>
}

export function createQuarantinedSpans(deps: {
  connection: string
  quarantine: Pick<QuarantineStore, 'spans' | 'setSpan' | 'removeSpan'>
  clock: Clock
  log: Log
}): QuarantinedSpans {
  const { connection, quarantine, clock, log } = deps
  return {
    list: () => quarantine.spans(connection),
    async due() {
      const now = clock.now()
      const due = (await quarantine.spans(connection)).filter(({ nextAt }) => nextAt <= now)
      return due.sort((a, b) => a.nextAt - b.nextAt).slice(0, MOST_REVISITS)
    },
    async add(lease, { from, to }, error) {
      log.warn(
        { connection, ...spoken({ from, to }), error: messageOf(error) },
        'no page with the orders of this span can be read; the span is in quarantine and is read again later; everything else goes on',
      )
      if (!lease) return
      const at = clock.now()
      const reason = `No page that holds the orders updated in this span can be read: ${messageOf(error)}`
      await quarantine.setSpan(lease, { connection, from, to, at, reason, tries: 0, nextAt: at + PAUSES_MS[0] })
    },
    failed(lease, span) {
      const tries = span.tries + 1
      const pause = PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] ?? 0
      return quarantine.setSpan(lease, { ...span, tries, nextAt: clock.now() + pause })
    },
    async mended(lease, span) {
      await quarantine.removeSpan(lease, span)
      log.info({ connection, ...spoken(span) }, 'a span in quarantine could be read again')
    },
  }
}

const spoken = ({ from, to }: Window) => ({ from: timestamp(from), to: timestamp(to) })
