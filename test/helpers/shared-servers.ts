/** Where a test process asks for servers; set by `test/global-setup.ts` for the processes of a vitest run. */
export const SHARED_SERVERS = 'TEST_SERVERS'

/**
 * What to know of the server that all files of this run share, which starts when the first of them asks. null: this machine has none.
 * `none here`: no such run (a script, a bench).
 */
export async function sharedServer<T>(name: 'kafka' | 'postgres'): Promise<T | null | 'none here'> {
  const place = process.env[SHARED_SERVERS]
  if (!place) return 'none here'
  const response = await fetch(`${place}/${name}`)
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as T | null
}
