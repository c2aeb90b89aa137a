import { pipeline, type Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { AppError } from '../../lib/errors.ts'

const LARGEST_BODY = 16 * 1024 * 1024

const UNPACK: ReadonlyMap<string, () => Transform> = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
  ['zstd', createZstdDecompress],
])

/**
 * The text of a body, 16 MiB of it at most. Compressed answers are not asked for, but some servers in between compress all the same:
 * then the limit is that of the text. Rejects with an AppError, or with the network's error.
 */
export async function readText(body: Readable, encoding: string | undefined, where: string): Promise<string> {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return decode(await bytesOf(body, where))
  const unpack = UNPACK.get(name)
  if (!unpack) {
    body.on('error', () => {}).destroy()
    throw new AppError(`${where} answered in the encoding "${name.slice(0, 40)}", which was not asked for.`, {
      code: 'vendor.encoding',
      intent: 'retry',
    })
  }
  // The iteration below meets every error, of either stream.
  const unpacked = pipeline(body, unpack(), () => {})
  try {
    return decode(await bytesOf(unpacked, where))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (!/^(Z_|ERR__|ERR_BROTLI|ZSTD)/.test(code)) throw error
    throw new AppError(`${where} answered a body that is not the ${name} it is said to be.`, {
      code: 'vendor.encoding',
      intent: 'retry',
    })
  }
}

/** A byte order mark is dropped; what is no UTF-8 becomes U+FFFD, which no id may hold. */
const decode = (bytes: Buffer): string => new TextDecoder().decode(bytes)

async function bytesOf(stream: AsyncIterable<Uint8Array>, where: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early destroys the stream, and with it the connection.
  for await (const chunk of stream) {
    size += chunk.length
    if (size > LARGEST_BODY)
      throw new AppError(`${where} answered more than ${LARGEST_BODY >> 20} MiB: too much for one page.`, {
        code: 'vendor.too_large',
        intent: 'narrow',
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
