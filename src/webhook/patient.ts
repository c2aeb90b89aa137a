import type { buildConnector } from 'undici'
import type { Clock } from '../clock.ts'
import { isOutOfFiles } from '../open-files.ts'

const LOOK_EVERY_MS = 100

/**
 * A connector that waits where this process may not open more connections: that says nothing about the endpoint, and would cost it an
 * attempt and open its circuit. `makeRoom` closes what nobody uses. After `withinMs` the error is passed on.
 */
export function patient(
  connect: buildConnector.connector,
  { clock, withinMs, makeRoom }: { clock: Clock; withinMs: number; makeRoom: () => void },
): buildConnector.connector {
  return (options, callback) => {
    const until = clock.monotonic() + withinMs
    const attempt = () =>
      connect(options, (...result) => {
        if (!isOutOfFiles(result[0]) || clock.monotonic() >= until) return callback(...result)
        makeRoom()
        clock.after(LOOK_EVERY_MS, attempt)
      })
    attempt()
  }
}
