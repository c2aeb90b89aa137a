import { AppError } from '../lib/errors.ts'

/** Encrypted values of the store, for both their readers: the sender of webhooks and the API that changes endpoints. */
export interface Box {
  seal(text: string): string
  /** Throws if it was sealed with another key. */
  open(sealed: string): string
}

/** null: it was sealed with another key. */
export function opened(box: Box, sealed: string): string | null {
  try {
    return box.open(sealed)
  } catch {
    return null
  }
}

/** How long a replaced secret still signs as well. */
const OVERLAP_MS = 86_400_000
/** At most so many former secrets, however often the secret is replaced. */
const MOST_FORMER = 8

interface Secrets {
  readonly secret: string
  readonly formerSecrets: readonly { readonly secret: string; readonly until: number }[]
}

/** The former secrets once this endpoint's secret is replaced now. A secret that cannot be opened (the secret key was lost) is left out. */
export function formerSecrets(box: Box, { secret, formerSecrets }: Secrets, now: number): Secrets['formerSecrets'] {
  const former = formerSecrets.filter(({ until }) => now < until)
  const all = opened(box, secret) === null ? former : [{ secret, until: now + OVERLAP_MS }, ...former]
  return all.slice(0, MOST_FORMER)
}

/** The headers of an endpoint as stored: names as they are, so that they can be shown, values sealed. */
type SealedHeaders = Readonly<Record<string, string>> | null

export function sealHeaders(box: Box, headers: Readonly<Record<string, string>> | null | undefined): SealedHeaders {
  const entries = Object.entries(headers ?? {})
  return entries.length === 0 ? null : Object.fromEntries(entries.map(([name, value]) => [name, box.seal(value)]))
}

/** Throws an AppError (`webhook.sealed_elsewhere`) if a value was sealed with another key. */
export function openHeaders(box: Box, sealed: SealedHeaders): Readonly<Record<string, string>> {
  try {
    return Object.fromEntries(Object.entries(sealed ?? {}).map(([name, value]) => [name, box.open(value)]))
  } catch (cause) {
    throw new AppError(
      'The header values of this endpoint cannot be decrypted: they were written under another ORDERWIRE_SECRET_KEY. ' +
        'Start with the former key, or give the endpoint its headers again.',
      { code: 'webhook.sealed_elsewhere', intent: 'fix', cause },
    )
  }
}
