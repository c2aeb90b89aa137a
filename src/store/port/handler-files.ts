/** Which version of its file each handler ran last, by a digest of the file's bytes. */
export interface HandlerFileStore {
  digests(): Promise<ReadonlyMap<string, string>>
  put(id: string, digest: string): Promise<void>
}
