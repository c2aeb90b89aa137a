import { AppError } from './errors.ts'

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
