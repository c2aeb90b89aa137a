import { createHmac } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** A fourth vendor as its author writes it: the sample of docs/write-a-source.md, in a folder outside the repository. */

const DOCUMENT = join(import.meta.dirname, '../../docs/write-a-source.md')

test('a source of a further vendor polls, publishes, and takes a signed webhook that names order and buyer', async () => {
  const sample = /```ts\n(\/\/ acme\.ts[\s\S]*?)```/.exec(await readFile(DOCUMENT, 'utf8'))?.[1] ?? ''
  const folder = await temporaryFolder()
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    asked.push(`${url.pathname}?buyer=${url.searchParams.get('buyer')}`)
    const order = (id: string) => ({ id, paid: true, updated: new Date().toISOString() })
    response.end(
      JSON.stringify(url.pathname === '/orders' ? [order('a-1')] : order(url.pathname.slice('/orders/'.length))),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(join(folder.path, 'acme.ts'), sample)
  await writeFile(
    join(folder.path, 'orderwire.config.ts'),
    `import { defineConfig } from 'orderwire'
import { acme } from './acme.ts'
export default defineConfig({
  sources: [acme],
  connections: [{ id: 'a', vendor: 'acme', baseUrl: '${baseUrl}', token: 't', secret: 's3cret', pollEvery: '100ms' }],
})`,
  )
  try {
    const program = await startProgram(folder.path)
    const events = async () => JSON.stringify((await program.get('/v1/events')).body)
    await until('the poll is published', async () => (await events()).includes('"a-1"'))
    const body = '{"order":"a-2","buyer":"b-2"}'
    const hook = (signature: string) =>
      fetch(`${program.url}/hooks/a`, { method: 'POST', body, headers: { 'x-acme-signature': signature } })
    expect((await hook('forged')).status).toBe(401)
    expect((await hook(createHmac('sha256', 's3cret').update(body).digest('hex'))).status).toBe(200)
    await until('the announced order is published', async () => (await events()).includes('"a-2"'))
    expect(asked).toContain('/orders/a-2?buyer=b-2')
    expect(await program.end('SIGTERM')).toBe(0)
    await writeFile(join(folder.path, 'x.json'), JSON.stringify({ sources: ['acme'], connections: [] }))
    const { code, stderr } = await command(folder.path, ['check', '--config', 'x.json'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('sources[0]: expected a source made with defineSource')])
  } finally {
    server.close().closeAllConnections()
    await folder.remove()
  }
})
