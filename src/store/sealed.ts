import { AppError } from '../lib/errors.ts'

/** What lies encrypted in the store, as both its readers need it: whoever sends, and whoever changes it. */
export interface Box {
  seal(text: string): string
  /** Throws where it was sealed with another key. */
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

/** A secret that was replaced signs along for so long. */
const OVERLAP_MS = 86_400_000
/** So many at most, however often it is replaced in that time. */
const MOST_FORMER = 8

interface Secrets {
  readonly secret: string
  readonly formerSecrets: readonly { readonly secret: string; readonly until: number }[]
}

/** What signs along once this endpoint's secret is replaced now. One that cannot be opened (the secret key was lost) cannot. */
export function formerSecrets(box: Box, { secret, formerSecrets }: Secrets, now: number): Secrets['formerSecrets'] {
  const former = formerSecrets.filter(({ until }) => now < until)
  const all = opened(box, secret) === null ? former : [{ secret, until: now + OVERLAP_MS }, ...former]
  return all.slice(0, MOST_FORMER)
}

/** The own headers of an endpoint at rest: names in the clear, so that they can be shown, each value sealed. */
type SealedHeaders = Readonly<Record<string, string>> | null

export function sealHeaders(box: Box, headers: Readonly<Record<string, string>> | null | undefined): SealedHeaders {
  const entries = Object.entries(headers ?? {})
  return entries.length === 0 ? null : Object.fromEntries(entries.map(([name, value]) => [name, box.seal(value)]))
}

/** Throws an AppError (`webhook.sealed_elsewhere`) where a value was sealed under another key. */
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
