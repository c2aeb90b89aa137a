import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serverFile } from '../../src/cli/client.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import { command, configure } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'

test('a command that comes while the server is starting waits until it answers', async () => {
  const folder = await temporaryFolder()
  await configure(folder.path, {})
  const data = join(folder.path, 'data')
  // This process plays the server: it has the folder, and does not answer at first.
  const store = await openSqlite({ folder: data, clock: systemClock() })
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(asked.length < 3 ? 503 : 200, { 'content-type': 'application/json' })
    response.end('{"data":[],"next":null}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await writeFile(serverFile(data), JSON.stringify({ url: `http://127.0.0.1:${port}`, key: 'k', pid: process.pid }))
  expect(await command(folder.path, ['endpoints', 'list'])).toEqual({
    code: 0,
    stdout: expect.stringContaining('No endpoints.'),
    stderr: '',
  })
  expect(asked).toEqual(['/healthz', '/healthz', '/healthz', '/v1/endpoints?limit=250'])
  server.closeAllConnections()
  server.close()
  await store.close()
  await folder.remove()
})
