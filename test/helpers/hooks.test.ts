import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('no module beside the test files registers hooks when it is loaded: files share modules, so only the first would get them', async () => {
  const root = join(import.meta.dirname, '..')
  const files = globSync('**/*.ts', { cwd: root }).filter(file => !file.endsWith('.test.ts'))
  const registering: string[] = []
  for (const file of files)
    if (/^(before|after)(Each|All)\(/m.test(await readFile(join(root, file), 'utf8'))) registering.push(file)
  expect(files.length).toBeGreaterThan(100)
  expect(registering).toEqual([])
})
