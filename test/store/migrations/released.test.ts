import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/**
 * Stores out there were made by these steps as they are. What a store has done already is not done again, so an edit would reach new stores
 * only. A change of the schema is a new step; a new line here belongs to each release.
 */
const RELEASED = {
  '0001-start.ts': '1e8754f92cf04a9f62e09b8c4d0e9b0ab1a95e29cfafde8b0c832cad2430fcc3',
  '0002-epochs.ts': '6013f08780ee22441ca4c131030533bec833be18b01830eb53f30ac0c397e9f0',
} as const

const FOLDER = join(import.meta.dirname, '../../../src/store/migrations')

/** Of what the step does: comments and layout may change. */
const digestOf = (file: string): string =>
  createHash('sha256')
    .update(
      readFileSync(join(FOLDER, file), 'utf8')
        .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
        .replace(/^import .*$/gm, '')
        .replace(/\s+/g, ''),
    )
    .digest('hex')

test.each(Object.entries(RELEASED))('the released migration %s is as it was released', (file, digest) => {
  expect(digestOf(file)).toBe(digest)
})
