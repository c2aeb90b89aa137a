import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** Names of PEM files for TLS. They are read for each use, because certificates are renewed. */
export interface TlsFiles {
  /** The authorities to trust; null: those that Node knows. */
  readonly ca: string | null
  /** What we show of ourselves; null: nothing. */
  readonly client: { readonly cert: string; readonly key: string; readonly password: string | null } | null
}

/** Throws if a file cannot be read. */
export function readTlsFiles({ ca, client }: TlsFiles): SecureContextOptions {
  return {
    ...(ca !== null && { ca: readFileSync(ca) }),
    ...(client && { cert: readFileSync(client.cert), key: readFileSync(client.key) }),
    ...(client?.password && { passphrase: client.password }),
  }
}

/** Throws if the files cannot be read, or do not fit together. */
export const checkTlsFiles = (files: TlsFiles): void => void createSecureContext(readTlsFiles(files))
