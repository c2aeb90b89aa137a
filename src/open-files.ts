import { readFileSync } from 'node:fs'

/** How many files and connections this process may have open at once; null: the system does not say. */
export function openFilesLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/** Something could not be opened because this process, or the machine, has too many open already. It passes, and is nobody else's fault. */
export const isOutOfFiles = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')

/** For a person who reads such an error. */
export const OUT_OF_FILES = 'this process may not open more files and connections; raise its limit (ulimit -n)'
