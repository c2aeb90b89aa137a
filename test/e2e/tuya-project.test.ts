import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { TUYA_CLIENT_ID, TUYA_CLIENT_SECRET, TUYA_MALL, TUYA_SHOP } from '../../src/sandbox/tuya.ts'
import { configure, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

test('case 50: two connections of one Tuya project ask for one token, and for none after a restart', async () => {
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false })
  cleanups.push(() => sandbox.close())
  const folder = await temporaryFolder()
  cleanups.push(folder.remove)
  const shared = {
    vendor: 'tuya',
    baseUrl: `${sandbox.url}/tuya`,
    clientId: TUYA_CLIENT_ID,
    mallCode: TUYA_MALL,
  } as const
  const keys = { ...shared, clientSecret: TUYA_CLIENT_SECRET, shopCode: TUYA_SHOP, pollEvery: '100ms' }
  await configure(folder.path, {
    connections: [
      { ...keys, id: 'one' },
      { ...keys, id: 'two' },
    ],
  })
  const count = (route: string) => sandbox.tuya.counts()[`GET ${route}`] ?? 0
  const searches = () => count('/tuya/v1.0/mall/plugin/order/search')

  const first = await startProgram(folder.path, {}, [], { withinMs: 60_000 })
  cleanups.push(() => first.end('SIGKILL'))
  for (const id of ['one', 'two'])
    await fetch(`${first.url}/v1/connections/${id}/users/buyer-1`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
  await until('both connections poll', () => searches() > 10, 60_000)
  expect(await first.end('SIGTERM')).toBe(0)
  const before = searches()
  const second = await startProgram(folder.path, {}, [], { withinMs: 60_000 })
  cleanups.push(() => second.end('SIGKILL'))
  await until('both connections poll again', () => searches() > before + 10, 60_000)
  expect(count('/tuya/v1.0/token') + count('/tuya/v1.0/token/{id}')).toBe(1)
  expect(sandbox.tuya.requests().every(({ status }) => status === 200)).toBe(true)
}, 180_000)
