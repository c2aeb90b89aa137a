import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError, messageOf } from '../../lib/errors.ts'

export interface FolderLock {
  release(): void
}

/**
 * Locks a folder for this process alone. The lock is an open transaction on an empty SQLite file beside the database; the system drops
 * it when the process ends, even after a kill. The file with the process id serves the error message only. Nothing else in this process
 * may open the lock file: closing any handle on it would drop the lock.
 */
export function takeFolder(folder: string): FolderLock {
  const pidFile = join(folder, 'orderwire.pid')
  const lockFile = join(folder, 'orderwire.lock')
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(lockFile, { timeout: 0 })
    lock.exec('begin exclusive')
  } catch (error) {
    lock?.close()
    throw refusal(error, { folder, lockFile, pidFile })
  }
  const held = lock
  try {
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  } catch {
    // The disk may be full. The lock is ours all the same.
  }
  let released = false
  return {
    release: () => {
      if (released) return
      released = true
      rmSync(pidFile, { force: true })
      held.close()
    },
  }
}

const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

function refusal(error: unknown, at: { folder: string; lockFile: string; pidFile: string }): AppError {
  const number = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  if (number === SQLITE_BUSY) {
    const pid = readPid(at.pidFile)
    return new AppError(
      `The data folder ${at.folder} is in use by ${pid ? `process ${pid}` : 'another process'}. ` +
        'Stop that one first, or give this one a folder of its own with ORDERWIRE_DATA.',
      { code: 'store.folder_in_use', intent: 'fix', cause: error },
    )
  }
  if (number === SQLITE_FULL)
    return new AppError(
      `The data folder ${at.folder} cannot be used: its disk is full. Free space on it, or name another with ORDERWIRE_DATA.`,
      { code: 'store.full', intent: 'retry', cause: error },
    )
  const advice =
    number === SQLITE_NOTADB
      ? `${at.lockFile} is not ours; remove it.`
      : 'Make the folder and what is in it writable for this user, or name another with ORDERWIRE_DATA.'
  return new AppError(`The data folder ${at.folder} cannot be used (${messageOf(error)}). ${advice}`, {
    code: 'store.folder_unusable',
    intent: 'fix',
    cause: error,
  })
}

function readPid(file: string): string | null {
  try {
    return /^\d+$/.exec(readFileSync(file, 'utf8').trim())?.[0] ?? null
  } catch {
    return null
  }
}
