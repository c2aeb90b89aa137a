import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Settings } from './environment.ts'

const FILE = 'secret.key'
const BYTES = 32

/** The key that encrypts endpoint secrets at rest: from the environment, else from a private file in the data folder, made once. */
export async function loadSecretKey({ secretKey, dataFolder }: Settings): Promise<Uint8Array> {
  if (secretKey) return secretKey
  const path = join(dataFolder, FILE)
  try {
    const found = await readFile(path, 'utf8').catch(error => {
      if (isCoded(error, 'ENOENT')) return null
      throw error
    })
    const key = Buffer.from((found ?? (await makeKey(dataFolder, path))).trim(), 'base64')
    if (key.length !== BYTES) throw unusable(path, `expected ${BYTES} bytes in base64, found ${key.length}`)
    return key
  } catch (error) {
    throw error instanceof AppError ? error : unusable(path, messageOf(error))
  }
}

/** Written under another name, flushed, then linked to its own: neither a kill nor a full disk leaves half a key. */
async function makeKey(folder: string, path: string): Promise<string> {
  const unfinished = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(unfinished, `${randomBytes(BYTES).toString('base64')}\n`, { flag: 'wx', mode: 0o600, flush: true })
    // Exclusive: of two processes that start at once, one makes the key and both read it.
    await link(unfinished, path).catch(error => {
      if (!isCoded(error, 'EEXIST')) throw error
    })
    await keepName(folder)
  } catch (error) {
    if (!isCoded(error, 'ENOSPC')) throw error
    throw new AppError(`The secret key ${path} cannot be made: the disk is full; free space on it.`, {
      code: 'store.full',
      intent: 'retry',
      cause: error,
    })
  } finally {
    await rm(unfinished, { force: true })
  }
  return readFile(path, 'utf8')
}

/** Flushes the folder, which stores the new name. Some systems do that by themselves and refuse the call. */
async function keepName(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => null)
  await handle?.sync().catch(() => {})
  await handle?.close()
}

const isCoded = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

const unusable = (path: string, why: string): AppError =>
  new AppError(
    `The secret key ${path} cannot be used: ${why}. Restore it from a backup, or set ORDERWIRE_SECRET_KEY.`,
    {
      code: 'secret_key.unusable',
      intent: 'fix',
    },
  )
