import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ConfigInput } from '../../schemas/config.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { forwardProxy, type TestProxy } from '../helpers/forward-proxy.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** A machine that reaches the world through a proxy only: the proxy alone knows the names of vendors and receivers. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let receiver: Awaited<ReturnType<typeof subscriber>>
let proxy: TestProxy
let env: Record<string, string>
let program: Program

const named = (url: string, name: string) => url.replace('127.0.0.1', name)

beforeAll(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  receiver = await subscriber(0, createRandom(1))
  proxy = await forwardProxy({ secure: true })
  for (const name of ['vendor.test', 'receiver.test']) proxy.names.set(name, '127.0.0.1')
  await writeFile(join(folder.path, 'proxy.pem'), proxy.cert)
  env = { NODE_EXTRA_CA_CERTS: join(folder.path, 'proxy.pem'), PROXY: proxy.url.replace('//', '//us:hidden-word@') }
  const through = { ...sandbox, url: named(sandbox.url, 'vendor.test') }
  const config: ConfigInput = {
    connections: connectionsTo(through),
    endpoints: [
      { id: 'far', url: named(receiver.url, 'receiver.test') },
      { id: 'inside', url: 'http://10.1.2.3/' },
      { id: 'here', url: named(receiver.url, 'localhost') },
    ],
    network: { proxy: `\${PROXY}` },
    delivery: { retries: ['50ms'] },
  }
  await configure(folder.path, config)
  program = await startProgram(folder.path, env)
})

afterAll(async () => {
  await program.end('SIGKILL')
  await Promise.all([sandbox.close(), receiver.close(), proxy.close(), folder.remove()])
})

test('vendors and receivers are reached through network.proxy, with its credentials, which appear nowhere', async () => {
  const shop = createShop(sandbox, 3)
  for (let n = 0; n < 5; n++) shop.open()
  while (shop.move());
  await until('every fact through the proxy', () => receiver.ids().size >= shop.facts().length)
  expect(receiver.inversions()).toEqual([])
  expect(new Set(proxy.asked)).toEqual(
    new Set([named(new URL(sandbox.url).host, 'vendor.test'), named(new URL(receiver.url).host, 'receiver.test')]),
  )
  expect(new Set(proxy.credentials)).toEqual(new Set(['us:hidden-word']))
  expect(program.output()).not.toContain('hidden-word')
  const check = await command(folder.path, ['check'], { ...env, ORDERWIRE_DATA: join(folder.path, 'none') })
  expect(check.stdout).toMatch(/ok {6}connection kk/)
})

test('an address that webhooks may not reach is not asked of the proxy either', async () => {
  for (const [id, reason] of [
    ['inside', '10.1.2.3 is not a public address'],
    ['here', 'is not a public address'],
  ]) {
    const { body } = await program.get(`/v1/deliveries?destination=${id}&limit=1`)
    expect(JSON.stringify(body)).toContain(reason)
  }
})

test('a proxy that refuses is the reason that a connection shows', async () => {
  proxy.answer = 407
  proxy.cut()
  await until('the reason to be shown', async () => {
    const { body } = await program.get('/v1/connections/kk')
    return JSON.stringify(body).includes('The forward proxy answered 407')
  })
  expect(program.output()).not.toContain('hidden-word')
})
