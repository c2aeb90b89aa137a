import { withoutControls } from '../../lib/control-characters.ts'

/** How much of an answer's body is read, bytes. */
export const READ_LIMIT = 16 * 1024
/** How much of it is kept, characters. */
const KEEP_LIMIT = 2 * 1024

const DECODER = new TextDecoder()

const HIDDEN: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/whsec_[A-Za-z0-9+/=]+/g, '[secret]'],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 [secret]'],
  [
    /(["']?[\w-]{0,40}(?:secret|token|password|passwd|authorization|api[_-]?key)["']?\s*[:=]\s*)(?:"[^"]*"?|'[^']*'?|[^\s,;&}]+)/gi,
    '$1[secret]',
  ],
  [/[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu, '[email]'],
]

/**
 * The beginning of an answer's body, safe to keep and show: text only, without likely secrets and mail addresses.
 * null: empty.
 */
export function excerpt(chunks: readonly Uint8Array[], encoding: string | undefined): string | null {
  if (chunks.length === 0) return null
  const bytes = Buffer.concat(chunks).subarray(0, READ_LIMIT)
  if (bytes.length === 0) return null
  if (encoding && encoding.toLowerCase() !== 'identity') return `[${bytes.length} bytes, ${encoding.slice(0, 20)}]`
  const text = DECODER.decode(bytes).split(/\r?\n/).map(withoutControls).join('\n')
  return redact(text).slice(0, KEEP_LIMIT).toWellFormed()
}

/** Removes likely secrets and mail addresses, in time linear in the text's length. */
export const redact = (text: string): string =>
  HIDDEN.reduce((left, [pattern, instead]) => left.replace(pattern, instead), text)
