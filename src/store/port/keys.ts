export type KeyRole = 'read' | 'write' | 'admin'

export interface KeyRow {
  readonly id: string
  readonly name: string
  readonly role: KeyRole
  /** SHA-256 of the key, base64url: the key itself is kept nowhere. */
  readonly digest: string
  readonly createdAt: number
  /** To a minute. */
  readonly lastUsedAt: number | null
}

export interface KeyStore {
  /** Oldest first. */
  list(): Promise<readonly KeyRow[]>
  insert(key: KeyRow): Promise<void>
  /** False: there is none with this id. */
  remove(id: string): Promise<boolean>
  used(id: string, at: number): Promise<void>
}
