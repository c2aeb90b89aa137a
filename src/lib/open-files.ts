import { readFileSync } from 'node:fs'
import type { buildConnector } from 'undici'
import type { Clock } from './clock.ts'

/** How many files and connections this process may have open at once; null: the system does not say. */
export function openFilesLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/** This process, or the machine, has too many files open. It passes, and says nothing about the other side. */
export const isOutOfFiles = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')

/** The message of such an error. */
export const OUT_OF_FILES = 'this process may not open more files and connections; raise its limit (ulimit -n)'

const LOOK_EVERY_MS = 100

/**
 * A connector that waits while this process may not open more connections; the other side must not be blamed for it. `makeRoom` closes unused
 * connections. After `withinMs` the error is passed on.
 */
export function patientConnector(
  connect: buildConnector.connector,
  { clock, withinMs, makeRoom = () => {} }: { clock: Clock; withinMs: number; makeRoom?: () => void },
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
