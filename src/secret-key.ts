import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Settings } from './config.ts'
import { AppError, messageOf } from './errors.ts'

const FILE = 'secret.key'
const BYTES = 32

/** The key that encrypts endpoint secrets at rest: from the environment, else from a private file in the data folder, made once. */
export async function loadSecretKey({ secretKey, dataFolder }: Settings): Promise<Uint8Array> {
  if (secretKey) return secretKey
  const path = join(dataFolder, FILE)
  try {
    await mkdir(dataFolder, { recursive: true, mode: 0o700 })
    // Exclusive: of two processes that start at once, one makes the key and both read it.
    await writeFile(path, `${randomBytes(BYTES).toString('base64')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw unusable(path, messageOf(error))
  }
  const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64')
  if (key.length !== BYTES) throw unusable(path, `expected ${BYTES} bytes in base64, found ${key.length}`)
  return key
}

const unusable = (path: string, why: string): AppError =>
  new AppError(
    `The secret key ${path} cannot be used: ${why}. Restore it from a backup, or set ORDERWIRE_SECRET_KEY.`,
    {
      code: 'secret_key.unusable',
      intent: 'fix',
    },
  )
