import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command, configure } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
  await configure(folder.path, {})
})
afterEach(() => folder.remove())

const run = (...args: string[]) => command(folder.path, args)

test('verify says what is wrong and what to do, and ends with 1 until it is mended', async () => {
  expect(await run('verify')).toMatchObject({ code: 0, stdout: expect.stringContaining('no problem'), stderr: '' })
  const database = new DatabaseSync(join(folder.path, 'data/orderwire.db'))
  database.exec(`insert into offsets values ('dispatch', 0, 99, null)`)
  database.close()
  const found = await run('verify')
  expect([found.code, found.stderr]).toEqual([1, 'orderwire: 1 problem found.\n'])
  expect(found.stdout).toMatch(/^PROBLEM {2}offset\.ahead .*99[\s\S]*--repair[\s\S]*1 problem/)
  expect(await run('verify', '--repair')).toMatchObject({ code: 0, stdout: expect.stringContaining('1 mended') })
  const { code, stdout } = await run('verify', '--json')
  expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ type: 'summary', problems: 0 })])
})

test.each([
  [['verify', '--orders', '5'], '--against-vendor'],
  [['verify', '--against-vendor', '--orders', 'all'], 'orders'],
  [['backup'], 'name the file'],
])('%j is wrong usage', async (args, says) => {
  expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(says) })
})

test('backup overwrites nothing, and wants a store', async () => {
  const file = join(folder.path, 'copy.db')
  expect(await run('backup', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('no store') })
  await run('verify')
  expect(await run('backup', file)).toMatchObject({ code: 0, stdout: expect.stringContaining('secret.key') })
  expect(await run('backup', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('overwrites nothing') })
  expect(await run('backup', join(folder.path, 'no', 'where.db'))).toMatchObject({ code: 1 })
})
