import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const PLACES = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/usr/local/bin']

/**
 * Where a tool is; null after saying that it is missing. With CI=true that is an error instead, unless Debian has no fit package.
 */
export function installedTool(name: string, debianPackage: string | null): string | null {
  const found = PLACES.map(place => join(place, name)).find(isExecutable)
  if (found !== undefined) return found
  const message = `No ${name} for the tests${debianPackage === null ? '' : ` (apt-get install ${debianPackage})`}.`
  if (process.env.CI === 'true' && debianPackage !== null) throw new Error(message)
  console.warn(`SKIPPED: ${message}`)
  return null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
