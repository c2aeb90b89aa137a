import { afterEach, beforeEach, expect, test } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { quietLog } from '../helpers/quiet.ts'
import { shiftedClock } from '../helpers/shifted-clock.ts'
import { paid, snapshot } from '../helpers/snapshots.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { memoryLog } from './scene.ts'

const clock = shiftedClock()
const { signal } = new AbortController()
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Store
beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openTestSqlite({ folder: folder.path, clock })
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

/** Five followed orders; those in `broken` answer what is no JSON. */
async function followed(broken: Set<string>) {
  const asked: string[] = []
  const source: OrderSource = {
    feed: { kind: 'follow', readUserPage: () => Promise.reject(new Error('nobody follows a user')) },
    fetch: async refs => {
      const [id = ''] = refs.map(({ orderId }) => orderId)
      asked.push(id)
      if (broken.has(id)) throw new AppError('answered no JSON', { code: 'vendor.not_json', intent: 'retry' })
      return { orders: [{ ...snapshot({ orderId: id, updatedAt: null }), paid: paid() }], rejects: [] }
    },
    check: async () => 'scripted',
  }
  const config = Connection.parse({
    ...{ id: 'tuya', vendor: 'tuya', baseUrl: 'http://127.0.0.1:1', pollEvery: '50ms' },
    ...{ clientId: 'c', clientSecret: 's', mallCode: 'm', shopCode: 's' },
  })
  await store.connections.configure([{ id: 'tuya', vendor: 'tuya', fingerprint: 'f' }])
  for (const id of ['1', '2', '3', '4', '5']) await store.follows.put('tuya', 'order', id, 'u', clock.now())
  const ingest = createIngest({
    connections: [{ config, source, vendorNow: async () => clock.now() }],
    ...{
      store,
      eventLog: memoryLog({ commitPublishes: true }).log,
      owner: 'one',
      clock,
      log: quietLog,
      metrics: createMetrics(),
    },
  })
  return { ingest, asked }
}

test('case 43: an answer that cannot be parsed costs only its followed order, which stays in quarantine until it can be read', async () => {
  const broken = new Set(['2'])
  const { ingest, asked } = await followed(broken)
  expect((await ingest.poll('tuya', { signal })).events).toHaveLength(4)
  expect(asked).toEqual(['1', '2', '3', '4', '5'])
  expect(await store.connections.get('tuya')).toMatchObject({ state: 'ok', lastError: null })
  const entries = () => store.quarantine.list({ connection: 'tuya' }, { limit: 10 })
  expect(await entries()).toMatchObject([{ orderId: '2', reason: expect.stringContaining('no JSON') }])
  broken.clear()
  expect((await ingest.poll('tuya', { signal })).events).toHaveLength(1)
  expect(await entries()).toEqual([])
})

test('an unreadable order is read more and more rarely, and at least once an hour', async () => {
  const { ingest } = await followed(new Set(['2']))
  const pauses: number[] = []
  for (let poll = 0; poll < 10; poll++) {
    await ingest.poll('tuya', { signal })
    const row = (await store.follows.list('tuya', { limit: 10 })).find(({ id }) => id === '2')
    pauses.push(Math.round(((row?.nextAt ?? 0) - clock.now()) / 30_000) * 30)
  }
  expect(pauses.slice(0, 4)).toEqual([30, 60, 120, 240])
  expect(pauses.at(-1)).toBe(3_600)
})

test('if no order can be read, the vendor is in trouble: the poll fails, and nothing goes to quarantine', async () => {
  const { ingest, asked } = await followed(new Set(['1', '2', '3', '4', '5']))
  await expect(ingest.poll('tuya', { signal })).rejects.toThrow('no JSON')
  expect(asked).toHaveLength(3)
  expect(await store.quarantine.list({}, { limit: 10 })).toEqual([])
})
