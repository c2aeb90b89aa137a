import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import { check } from '../../src/cli/check.ts'
import { createOutput } from '../../src/cli/output.ts'
import { loadConfig } from '../../src/config/config-file.ts'
import { readSettings } from '../../src/config/environment.ts'
import { loadHandlers } from '../../src/destinations/handlers/handlers.ts'
import { type AppError, messageOf } from '../../src/lib/errors.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'
import { temporaryFolder } from '../helpers/temp.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** Every line, and how it ended. */
async function checked(config: unknown, env: NodeJS.ProcessEnv = {}) {
  const path = join(folder.path, 'orderwire.config.json')
  await writeFile(path, JSON.stringify(config))
  const lines: { check: string; ok: boolean; detail: string }[] = []
  const output = createOutput(true, { write: text => void lines.push(JSON.parse(text)) })
  const settings = readSettings({ ORDERWIRE_DATA: join(folder.path, 'data'), ...env })
  const { signal } = new AbortController()
  const error = await check({ loaded: await loadConfig(path, {}), settings, output, signal }).then(
    () => null,
    (error: AppError) => error.code,
  )
  return { error, lines, line: (name: string) => lines.find(line => line.check === name) }
}

/** What start would end with. */
const startSays = (path: string): Promise<string> =>
  loadHandlers(path, { delivery: DEFAULT_DELIVERY, clock: memoryClock(), log: quietLog }).then(
    () => '',
    error => messageOf(error),
  )

describe('check loads the handlers as start does', () => {
  test('and names them', async () => {
    await mkdir(join(folder.path, 'handlers'))
    await writeFile(join(folder.path, 'handlers/print.mjs'), `export default { on: '*', run() {} }`)
    const { error, line } = await checked({})
    expect([error, line('handlers')]).toEqual([null, { check: 'handlers', ok: true, detail: 'print' }])
  })

  test('a folder that is named and not there is a wrong configuration, and the rest is checked all the same', async () => {
    const { error, line } = await checked({ handlers: 'nowhere' })
    const detail = await startSays(join(folder.path, 'nowhere'))
    expect(detail).toContain('nowhere')
    expect([error, line('handlers')]).toEqual(['config.no_handlers', { check: 'handlers', ok: false, detail }])
    expect(line('store')?.ok).toBe(true)
  })

  test.each([
    ['is broken', 'export default {'],
    ['throws', 'throw new Error("boom")'],
    ['is no handler', 'export default 5'],
  ])('a file that %s fails with the same message', async (_, text) => {
    await mkdir(join(folder.path, 'h'))
    await writeFile(join(folder.path, 'h/bad.mjs'), text)
    const { error, line } = await checked({ handlers: 'h' })
    const detail = await startSays(join(folder.path, 'h'))
    expect(detail).toContain('bad.mjs')
    expect([error, line('handlers')]).toEqual(['check.failed', { check: 'handlers', ok: false, detail }])
  })
})

test.each([
  ['text/html', '<html></html>'],
  ['application/json', '{"status":"ok"}'],
])('check sees that what answers at ORDERWIRE_URL is no orderwire: %s', async (type, body) => {
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': type }).end(body))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { error, line } = await checked({}, { ORDERWIRE_URL: `http://127.0.0.1:${port}` })
  expect(error).toBe('check.failed')
  expect(line('server')).toMatchObject({ ok: false, detail: expect.stringContaining('is no orderwire') })
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})
