import { expect, test } from 'vitest'
import { TuyaConnection } from '../../schemas/vendor/connections.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'
import { paid, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { gists, newStoreForEachTest, store } from './scene.ts'

newStoreForEachTest()

test.each([
  ['an hour', { every: '1h' }, 1],
  ['a day, without reconciliation', false, 24],
] as const)(
  'a followed order that changed long ago is read whole again within %s (case 47)',
  async (_, reconcile, hours) => {
    const time = memoryClock()
    let shown = snapshot({
      paid: paid(),
      cancelled: { when: { at: '2026-01-01T00:00:00.000Z', source: 'vendor' }, reason: null },
    })
    const config = TuyaConnection.parse({
      ...{ id: 'shop', vendor: 'tuya', baseUrl: 'http://127.0.0.1:1', clientId: 'c', clientSecret: 's' },
      ...{ mallCode: 'm', shopCode: 's', pollEvery: '10m', reconcile },
    })
    const source = {
      feed: { kind: 'follow' as const, readUserPage: () => Promise.reject(new Error('no user is followed')) },
      fetch: async () => ({ orders: [shown], rejects: [] }),
      check: async () => 'scripted',
    }
    const ingest = createIngest({
      connections: [{ config, source, vendorNow: async () => time.now() }],
      store,
      eventLog: {
        ...{
          commitPublishes: true,
          ownsAllPartitions: true,
          partitions: 1,
          partitionOf: () => 0,
          append: async () => {},
        },
        ...{ consume: () => Promise.reject(new Error('not consumed here')), health: () => null },
        ...{ check: async () => 'memory', close: async () => {} },
        ...{ notice: () => null, contradiction: async () => null },
      },
      owner: 'one',
      clock: time,
      log: quietLog,
      metrics: createMetrics(),
    })
    await store.connections.configure([{ id: 'shop', vendor: 'tuya', fingerprint: 'f' }])
    await store.follows.put('shop', 'order', 'o-1', 'u-1', time.now() - 60 * 86_400_000)
    const poll = () => ingest.poll('shop', { signal: new AbortController().signal })
    await poll()
    const [follow] = await store.follows.list('shop', { limit: 1 })
    const lease = await store.leases.acquire('test', 'test', 60_000, time.now())
    if (!follow || !lease) throw new Error('there is a follow, and the lease is free')
    await store.follows.reschedule(lease, [{ ...follow, changedAt: time.now() - 60 * 86_400_000, next: time.now() }])
    await poll()
    const [later] = await store.follows.list('shop', { limit: 1 })
    expect(later?.everyMs).toBe(hours * 3_600_000)
    shown = { ...shown, refund: refundTotal('20.00') }
    await time.advance(later?.everyMs ?? 0)
    await poll()
    expect(await gists()).toContain('o-1 refunded 20.00 full')
  },
)
