import type { Clock } from '../lib/clock.ts'
import type { FeedPage, Window } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { UnnamedWindow, UnnamedWindowStore } from '../store/port/unnamed-windows.ts'
import type { Log } from '../telemetry/log.ts'

const [MINUTE, HOUR] = [60_000, 3_600_000]

/** The pauses before a window is read again. After the last one the reconciliation reads it. */
const PAUSES_MS = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 24 * HOUR]
/** A vendor that always lists rows without an id must not have everything read six times. */
const MOST_WINDOWS = 50

/**
 * Rows without a readable order id: nobody can ask for such an order, and no poll looks back to it later. So the window that listed the
 * row is read again, until all its rows have ids.
 */
export interface UnnamedRows {
  /** Those to be read again now. */
  due(): Promise<readonly UnnamedWindow[]>
  /** This window was read, and rows of it had no id. `lease` null: a dry run. */
  seen(lease: Lease | null, window: Window): Promise<void>
  /** A due window still has such rows, or cannot be read. */
  failed(lease: Lease, window: UnnamedWindow): Promise<void>
  /** A due window could be read, and all its rows have ids. */
  mended(lease: Lease, window: UnnamedWindow): Promise<void>
}

export const hasUnnamed = (page: FeedPage): boolean => page.rejects.some(({ orderId }) => orderId === null)

export function createUnnamedRows(deps: {
  connection: string
  windows: UnnamedWindowStore
  clock: Clock
  log: Log
}): UnnamedRows {
  const { connection, windows, clock, log } = deps
  let saidTooMany = false

  const inFuture = (pause: number) => clock.now() + pause

  return {
    async due() {
      const now = clock.now()
      return (await windows.list(connection)).filter(({ nextAt }) => nextAt <= now)
    },
    async seen(lease, window) {
      if (!lease) return
      const known = await windows.list(connection)
      // Polls of an overlap see the same row again and again: one window grows with them until it is read for the first time.
      const near = known.find(({ tries, from, to }) => tries === 0 && from <= window.to && to >= window.from)
      if (!near && known.length >= MOST_WINDOWS) {
        if (!saidTooMany)
          log.warn({ connection }, 'too many rows have no order id; only the reconciliation reads further ones again')
        saidTooMany = true
        return
      }
      const [first = 0] = PAUSES_MS
      const grown = near ? union(near, window) : window
      if (near && near.from === grown.from && near.to === grown.to) return
      const next = { connection, ...grown, tries: 0, nextAt: near?.nextAt ?? inFuture(first) }
      await windows.put(lease, next, near)
    },
    async failed(lease, window) {
      const tries = window.tries + 1
      const pause = PAUSES_MS[tries]
      if (pause === undefined) await windows.remove(lease, window)
      else await windows.put(lease, { ...window, tries, nextAt: inFuture(pause) })
    },
    mended: (lease, window) => windows.remove(lease, window),
  }
}

const union = (a: Window, b: Window): Window => ({ from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) })
