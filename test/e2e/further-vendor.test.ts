import { createHmac } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command, startProgram } from '../helpers/program.ts'
import { samplesIn } from '../helpers/samples.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** A fourth vendor as its author writes it: the samples of docs/write-a-source.md, in a folder outside the repository. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
  const samples = await samplesIn('docs/write-a-source.md')
  for (const name of ['acme.ts', 'acme-simulator.ts', 'orderwire.config.ts'])
    await writeFile(join(folder.path, name), samples.get(name) ?? '')
})
afterEach(() => folder.remove())

test('a source of a further vendor polls, publishes, and takes a signed webhook that names order and buyer', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    asked.push(`${pathname}?buyer=${searchParams.get('buyer')}`)
    const order = (id: string) => ({ id, paid: true, updated: new Date().toISOString() })
    response.end(JSON.stringify(pathname === '/orders' ? [order('a-1')] : order(pathname.slice('/orders/'.length))))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const file = join(folder.path, 'orderwire.config.ts')
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = (await readFile(file, 'utf8')).replace('https://api.acme.test', here).replace('sandbox: {},', '')
  await writeFile(file, config)
  try {
    const program = await startProgram(folder.path)
    const events = async () => JSON.stringify((await program.get('/v1/events')).body)
    await until('the poll is published', async () => (await events()).includes('"a-1"'))
    const body = '{"order":"a-2","buyer":"b-2"}'
    const hook = (signature: string) =>
      fetch(`${program.url}/hooks/a`, { method: 'POST', body, headers: { 'x-acme-signature': signature } })
    expect((await hook('forged')).status).toBe(401)
    expect((await hook(createHmac('sha256', 'a-secret').update(body).digest('hex'))).status).toBe(200)
    await until('the announced order is published', async () => (await events()).includes('"a-2"'))
    expect(asked).toContain('/orders/a-2?buyer=b-2')
    expect(await program.end('SIGTERM')).toBe(0)
  } finally {
    server.close().closeAllConnections()
  }
})

test('with `sandbox` in the configuration the simulator of the source is polled instead of its base URL', async () => {
  const [checked, polled] = await Promise.all([
    command(folder.path, ['check'], { ORDERWIRE_DATA: join(folder.path, 'one') }),
    command(folder.path, ['poll', 'a', '--dry-run', '--json']),
  ])
  expect(checked.stdout).toContain('ok      connection a (acme): acme answers')
  const events = polled.stdout.trim().split('\n')
  expect(events.map(line => JSON.parse(line)).map(({ type, subject }) => [type, subject])).toEqual([
    ['order.paid', '1'],
  ])
})

test('sources cannot be named in JSON, and the message says so', async () => {
  await writeFile(join(folder.path, 'x.json'), JSON.stringify({ sources: ['acme'], connections: [] }))
  const { code, stderr } = await command(folder.path, ['check', '--config', 'x.json'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('sources[0]: expected a source made with defineSource')])
})
