import { type Clock, timestamp } from '../lib/clock.ts'
import { type AppError, messageOf } from '../lib/errors.ts'
import type { Window } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { QuarantinedSpan, QuarantineStore } from '../store/port/quarantine.ts'
import type { Log } from '../telemetry/log.ts'

type Kind = QuarantinedSpan['kind']

const [MINUTE, HOUR] = [60_000, 3_600_000]

/** The pauses before a span is read again. `unreadable`: the last one repeats. `unnamed`: after the last one only on request. */
const PAUSES_MS: Readonly<Record<Kind, readonly number[]>> = {
  unreadable: [MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR],
  unnamed: [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 24 * HOUR],
}
/** At most so many spans are read again after one poll. */
const MOST_REVISITS = 5
/** A vendor that always lists rows without an id must not have everything read six times. */
const MOST_UNNAMED = 50

const UNNAMED =
  'Rows of the orders updated in this span had no order id that could be read. The span is read again after 1, 5 and 30 minutes and after 2, 6 and 24 hours.'

/** The spans of one connection that are read again later, and when. Kept in the store's quarantine. */
export interface QuarantinedSpans {
  list(kind: Kind): Promise<readonly QuarantinedSpan[]>
  /** Those to be read again now, the longest due first. */
  due(): Promise<readonly QuarantinedSpan[]>
  /** No page of this window can be read. `lease` null: a dry run. */
  unreadable(lease: Lease | null, window: Window, error: AppError): Promise<void>
  /** This window was read, and rows of it had no order id. */
  unnamed(lease: Lease | null, window: Window): Promise<void>
  /** A due span is as it was. */
  failed(lease: Lease, span: QuarantinedSpan): Promise<void>
  /** A due span could be read, and all its rows have ids. */
  mended(lease: Lease, span: QuarantinedSpan): Promise<void>
}

export function createQuarantinedSpans(deps: {
  connection: string
  quarantine: Pick<QuarantineStore, 'spans' | 'setSpan' | 'removeSpan'>
  clock: Clock
  log: Log
}): QuarantinedSpans {
  const { connection, quarantine, clock, log } = deps
  let saidTooMany = false

  const list = async (kind: Kind) => (await quarantine.spans(connection)).filter(span => span.kind === kind)

  function begin(kind: Kind, { from, to }: Window, reason: string): QuarantinedSpan {
    const at = clock.now()
    return { connection, kind, from, to, at, reason, tries: 0, nextAt: nextAt(kind, 0, at) }
  }

  return {
    list,
    async due() {
      const now = clock.now()
      const due = (await quarantine.spans(connection)).filter(({ nextAt }) => nextAt !== null && nextAt <= now)
      return due.sort((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0)).slice(0, MOST_REVISITS)
    },
    async unreadable(lease, window, error) {
      log.warn(
        { connection, ...spoken(window), error: messageOf(error) },
        'no page with the orders of this span can be read; the span is in quarantine and is read again later; everything else goes on',
      )
      const reason = `No page that holds the orders updated in this span can be read: ${messageOf(error)}`
      if (lease) await quarantine.setSpan(lease, begin('unreadable', window, reason))
    },
    async unnamed(lease, window) {
      if (!lease) return
      const open = (await list('unnamed')).filter(span => span.nextAt !== null)
      // Polls of an overlap see the same row again and again: one span grows with them until it is read for the first time.
      const near = open.find(({ tries, from, to }) => tries === 0 && from <= window.to && to >= window.from)
      const span = near ? { ...near, ...union(near, window) } : begin('unnamed', window, UNNAMED)
      if (near?.from === span.from && near.to === span.to) return
      if (!near && open.length >= MOST_UNNAMED) {
        if (!saidTooMany)
          log.warn({ connection }, 'too many rows have no order id; only the reconciliation reads further ones again')
        saidTooMany = true
        return
      }
      // In this order: a crash between leaves two spans, and never none.
      await quarantine.setSpan(lease, span)
      if (near) await quarantine.removeSpan(lease, near)
    },
    failed: (lease, span) => {
      const tries = span.tries + 1
      return quarantine.setSpan(lease, { ...span, tries, nextAt: nextAt(span.kind, tries, clock.now()) })
    },
    async mended(lease, span) {
      await quarantine.removeSpan(lease, span)
      log.info({ connection, ...spoken(span) }, 'a span in quarantine could be read again')
    },
  }
}

/** When a span is read again after so many failed tries; null: only on request. */
function nextAt(kind: Kind, tries: number, now: number): number | null {
  const pauses = PAUSES_MS[kind]
  const pause = pauses[kind === 'unreadable' ? Math.min(tries, pauses.length - 1) : tries]
  return pause === undefined ? null : now + pause
}

const union = (a: Window, b: Window): Window => ({ from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) })

const spoken = ({ from, to }: Window) => ({ from: timestamp(from), to: timestamp(to) })
