import { describe, expect, test } from 'vitest'
import { at, type FeedScript, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { parcel } from '../helpers/snapshots.ts'
import { gists, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const rows = (trackingNumber: string | null, second = 1) =>
  ordersUpdatedAt([second]).map(row => ({ ...row, packages: [parcel('p-1', { trackingNumber })] }))

/** Stores the order's state as version 1.0 wrote it, without what shipped events said of carriers. */
async function downgrade(orderId: string): Promise<void> {
  const row = await store.orders.get('shop', orderId)
  const lease = await store.leases.acquire('test', 'test', 60_000, Date.now())
  if (!row || !lease) throw new Error('there is no such order')
  const { trackingSaid: _, trackingAt: __, ...state } = row.state
  await store.orders.commit(lease, {
    connection: 'shop',
    orders: [{ ...row, state }],
    events: [],
    published: false,
    quarantine: [],
  })
}

describe('a tracking number that changes', () => {
  test('case 21: is published once, as an update of the shipment', async () => {
    const script: FeedScript = { rows: rows(null) }
    const { ingest } = await scene({ script })
    for (const [number, second] of [
      ['T1', 2],
      ['T1', 3],
      ['T2', 4],
      ['T1', 5],
    ] as const) {
      await ingest.poll('shop', { signal })
      script.rows = rows(number, second)
    }
    await ingest.poll('shop', { signal })
    expect(await gists()).toEqual([
      'o-1 shipped p-1',
      'o-1 shipment_updated p-1 UPS/T1',
      'o-1 shipment_updated p-1 UPS/T2',
    ])
  })

  test('case 21: is published after an upgrade too, and an unchanged one is not', async () => {
    const script: FeedScript = { rows: [...rows('T1')] }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    await downgrade('o-1')
    script.rows = rows('T1').map(row => ({ ...row, updatedAt: at(2), status: 'touched' }))
    expect((await ingest.poll('shop', { signal })).events).toEqual([])
    await downgrade('o-1')
    script.rows = rows('T2', 3)
    await ingest.poll('shop', { signal })
    expect(await gists()).toEqual(['o-1 shipped p-1', 'o-1 shipment_updated p-1 UPS/T2'])
  })

  test('case 21: before the upgrade is published with the next change of the order', async () => {
    const script: FeedScript = { rows: rows('T1') }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    script.rows = rows('T2', 2)
    // Version 1.0 stored the new number and published nothing.
    const before = await store.orders.get('shop', 'o-1')
    const lease = await store.leases.acquire('test', 'test', 60_000, Date.now())
    if (!before || !lease) throw new Error('there is no such order')
    const [snapshot = before.snapshot] = script.rows
    await store.orders.commit(lease, {
      connection: 'shop',
      orders: [{ ...before, snapshot }],
      events: [],
      published: false,
      quarantine: [],
    })
    await downgrade('o-1')
    script.rows = rows('T2', 3)
    await ingest.poll('shop', { signal })
    expect(await gists()).toEqual(['o-1 shipped p-1', 'o-1 shipment_updated p-1 UPS/T2'])
  })
})
