import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** What `npm start` installs. */

interface Locked {
  readonly dev?: boolean
  readonly integrity?: string
  readonly hasInstallScript?: boolean
}

const lock = JSON.parse(readFileSync(join(import.meta.dirname, '../package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>
}
const production = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev)
const which = (wrong: (locked: Locked) => boolean) =>
  production.filter(([, locked]) => wrong(locked)).map(([path]) => path)

test('every package is pinned by a strong hash', () => {
  expect(production.length).toBeGreaterThan(20)
  expect(which(({ integrity }) => !integrity?.startsWith('sha512-'))).toEqual([])
})

test('no package runs a script when it is installed', () => {
  expect(which(({ hasInstallScript }) => hasInstallScript === true)).toEqual([])
})
