import { readFileSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Served, serveApi } from '../../src/api/serve.ts'
import { type Harness, openHarness } from '../api/harness.ts'
import { installedTool } from '../helpers/installed-tool.ts'
import { ask, checked, startProxy } from '../helpers/proxy.ts'
import { selfSigned } from '../helpers/self-signed.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** The examples of deploy/proxy as real proxies before a real API; only names of files and ports are others. */

const example = (name: string) => readFileSync(join(import.meta.dirname, '../../deploy/proxy', name), 'utf8')
const KEY = 'a-key-for-this-test-only-0'
const PORT = '127.0.0.1:8080'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let api: Harness
let served: Served

beforeAll(async () => {
  folder = await temporaryFolder()
  await chmod(folder.path, 0o755)
  api = await openHarness({ apiKey: KEY, publicUrls: ['https://orders.example.com'] })
  served = await serveApi({ fetch: (request, env) => api.app.fetch(request, env), host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await served.close()
  await api.close()
  await folder.remove()
})

async function freePort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  await new Promise(resolve => listener.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

interface Proxy {
  readonly port: number
  readonly stop: () => Promise<void>
}

async function nginx(binary: string): Promise<Proxy> {
  const [plain, tls] = [await freePort(), await freePort()]
  const { key, cert } = selfSigned()
  const at = (name: string) => join(folder.path, name)
  await Promise.all([writeFile(at('key.pem'), key), writeFile(at('cert.pem'), cert)])
  const site = example('nginx.conf')
    .replace(PORT, new URL(served.url).host)
    .replace('listen 80;', `listen 127.0.0.1:${plain};`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${tls} ssl`)
    .replace(/\/etc\/ssl\/\S+\.crt/, at('cert.pem'))
    .replace(/\/etc\/ssl\/\S+\.key/, at('key.pem'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${at(name)};`)
    .join('\n')
  await writeFile(
    at('nginx.conf'),
    `daemon off;\npid ${at('nginx.pid')};\nerror_log ${at('error.log')};\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${site}\n}\n`,
  )
  const args = ['-p', folder.path, '-c', at('nginx.conf')]
  await checked(binary, ['-t', ...args])
  return { port: tls, stop: startProxy(binary, args, { signal: 'SIGTERM' }) }
}

async function caddy(binary: string): Promise<Proxy> {
  const [plain, tls] = [await freePort(), await freePort()]
  const file = join(folder.path, 'Caddyfile')
  const own = `{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttp_port ${plain}\n\thttps_port ${tls}\n}\n`
  await writeFile(file, own + example('Caddyfile').replace(PORT, new URL(served.url).host))
  const args = ['--config', file, '--adapter', 'caddyfile']
  await checked(binary, ['validate', ...args])
  const env = { HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path }
  return { port: tls, stop: startProxy(binary, ['run', ...args], { signal: 'SIGKILL', env }) }
}

describe.each([
  { name: 'nginx', binary: installedTool('nginx', 'nginx-light'), start: nginx },
  { name: 'Caddy', binary: installedTool('caddy', 'caddy'), start: caddy },
])('behind $name', ({ binary, start }) => {
  let proxy: Proxy
  const withKey = { authorization: `Bearer ${KEY}` }

  beforeAll(async () => {
    if (binary === null) return
    proxy = await start(binary)
    await until('the proxy answers', async () => (await ask(proxy.port, '/healthz').catch(() => null))?.status === 200)
  })
  afterAll(() => proxy?.stop())

  const status = async (path: string, headers?: Record<string, string>) => (await ask(proxy.port, path, headers)).status

  test.skipIf(binary === null)('the public name is accepted with a key, and a page of that name may send', async () => {
    expect(await status('/v1/events', withKey)).toBe(200)
    expect(await status('/v1/events', { ...withKey, origin: 'https://orders.example.com' })).toBe(200)
    expect(await status('/v1/events', { ...withKey, origin: 'https://elsewhere.example' })).toBe(403)
  })

  test.skipIf(binary === null)('nobody is taken for a client of this machine', async () => {
    expect(await status('/v1/events')).toBe(401)
    expect(await status('/hooks/shop')).not.toBe(401)
  })

  test.skipIf(binary === null)('metrics and readiness stay inside', async () => {
    expect([await status('/metrics', withKey), await status('/readyz')]).toEqual([404, 404])
  })

  test.skipIf(binary === null)('each event of the live stream comes at once', async () => {
    const stream = await ask(proxy.port, '/v1/events/stream', withKey)
    expect(stream.status).toBe(200)
    for (const order of ['one', 'two']) {
      const orderId = `${order}-${proxy.port}`
      await api.seed('shop', orderId)
      api.ring()
      await until(`${order} came`, () => stream.body().includes(orderId))
    }
    stream.end()
  })
})
