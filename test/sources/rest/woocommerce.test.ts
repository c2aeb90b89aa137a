import { beforeEach, describe, expect, test } from 'vitest'
import { OrderEvent } from '../../../schemas/order-event.ts'
import { createIngest } from '../../../src/ingest/ingest.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { gist, observer } from '../../helpers/decided.ts'
import { quietLog } from '../../helpers/quiet.ts'
import { openTestSqlite } from '../../helpers/sqlite.ts'
import { temporaryFolder } from '../../helpers/temp.ts'
import { startWooCommerce, type WooRow } from '../../helpers/woocommerce.ts'
import { memoryLog } from '../../ingest/scene.ts'
import { closeAfterTest, failure } from '../loopback.ts'
import { connected, exampleConnection, fixture } from './example.ts'

const signal = new AbortController().signal
const live = { signal, priority: 'live' } as const
const { order: SAMPLE, refunds: REFUNDS } = fixture('woocommerce/completed-partly-refunded') as {
  order: WooRow
  refunds: readonly object[]
}

let shop: Awaited<ReturnType<typeof startWooCommerce>>
beforeEach(async () => {
  shop = await startWooCommerce({ mostPerPage: 100 })
  closeAfterTest(() => shop.close())
})

const source = async () => connected(await exampleConnection('woocommerce', shop.env())).source
const seen = async (id = 723) => {
  const { orders, rejects } = await (await source()).fetch([{ orderId: String(id), userId: null }], live)
  expect(rejects).toEqual([])
  return orders[0]
}

describe('the WooCommerce example reads an order that is paid, completed and partly refunded', () => {
  test('as exactly one payment and two refunds, oldest first: a completed order proves neither shipping nor arrival', async () => {
    shop.put(SAMPLE, REFUNDS)
    const { see } = observer('woo')
    const snapshot = await seen()
    const { events } = see(snapshot as NonNullable<typeof snapshot>)
    expect(events.map(gist)).toEqual(['paid 39.00', 'refunded 9.00', 'refunded 10.00'])
    expect(events.map(({ data }) => [data.occurredAt, data.occurredAtSource])).toEqual([
      ['2026-03-21T19:26:38.000Z', 'vendor'],
      ['2026-03-21T20:03:02.000Z', 'vendor'],
      ['2026-03-21T20:07:11.000Z', 'vendor'],
    ])
    expect(events[2]?.data).toMatchObject({
      refund: { refundId: '726', currency: 'USD', totalRefunded: '19.00', full: false },
    })
  })

  test('with its lines and its country, and without any person', async () => {
    shop.put(SAMPLE, REFUNDS)
    const snapshot = await seen()
    expect(snapshot).toMatchObject({
      orderNumber: '723',
      currency: 'USD',
      total: '39.00',
      placedAt: '2026-03-21T19:26:35.000Z',
      status: 'completed',
      shipTo: { country: 'US' },
      packages: [],
      delivered: null,
      cancelled: null,
      doubts: [],
    })
    expect(snapshot?.lines).toEqual([
      { id: '311', sku: 'WOO-87', title: 'Woo Single #2', quantity: 2, price: '2.00' },
      { id: '312', sku: null, title: 'Ship Your Idea', quantity: 5, price: '5.00' },
    ])
    expect(JSON.stringify(snapshot)).not.toMatch(/canary|Pia|555/i)
  })

  test('and cash on delivery proves no payment, whatever the status', async () => {
    shop.put({ ...SAMPLE, payment_method: 'cod' })
    expect((await seen())?.paid).toBeNull()
  })
})

describe('the WooCommerce example', () => {
  test('delays refunds whose list fails for now, and gives them up where the key may not read them', async () => {
    shop.put(SAMPLE, REFUNDS)
    shop.control.refundsFail = 500
    expect((await seen())?.refund?.records).toBe('delayed')
    shop.control.refundsFail = 403
    expect((await seen())?.refund?.records).toBe('unavailable')
  })

  test('says in `check` what the API cannot prove', async () => {
    const recent = new Date().toISOString().slice(0, 19)
    shop.put({ ...SAMPLE, date_modified_gmt: recent }, REFUNDS)
    expect(await (await source()).check(live)).toBe(
      'GET /orders answers; 1 order changed within 30 days; proves order.paid, order.refunded, order.cancelled; ' +
        'missing: order.shipped, order.shipment_updated, order.delivered (nothing in the configuration proves them)',
    )
  })

  test('stops where the key is refused', async () => {
    const config = await exampleConnection('woocommerce', { ...shop.env(), WOO_SECRET: 'cs_wrong' })
    expect((await failure(connected(config).source.check(live))).intent).toBe('stop')
  })

  test('finds no order that the shop does not know', async () => {
    expect(await seen(999)).toBeUndefined()
  })
})

describe('polled, a WooCommerce shop', () => {
  const clock = systemClock()
  const now = () => new Date(clock.now()).toISOString().slice(0, 19)

  async function polling() {
    const folder = await temporaryFolder()
    const store = await openTestSqlite({ folder: folder.path, clock })
    closeAfterTest(async () => {
      await store.close()
      await folder.remove()
    })
    const config = await exampleConnection('woocommerce', shop.env())
    const size = { param: 'per_page', value: 2 }
    const one = connected({ ...config, list: { ...config.list, size } })
    await store.connections.configure([{ id: 'woo', vendor: 'rest', fingerprint: 'f' }])
    const { log: eventLog } = memoryLog({ commitPublishes: true })
    const ingest = createIngest({
      ...{ connections: [one], store, eventLog, owner: 'one', clock, log: quietLog, metrics: createMetrics() },
    })
    const poll = async () => {
      const { events } = await ingest.poll('woo', { signal })
      return events
        .map(({ body }) => OrderEvent.parse(JSON.parse(body)))
        .map(event => `${event.data.orderId} ${gist(event)}`)
    }
    return { poll }
  }

  const order = (id: number, changes: object) => ({
    ...{ ...SAMPLE, id, number: String(id), status: 'pending', refunds: [] },
    ...{ date_paid_gmt: null, date_completed_gmt: null, date_modified_gmt: now(), ...changes },
  })

  test('yields each fact of an order once, through all its states', async () => {
    const { poll } = await polling()
    shop.put(order(1, {}))
    expect(await poll()).toEqual([])
    shop.put(order(1, { status: 'processing', date_paid_gmt: now() }))
    expect(await poll()).toEqual(['1 paid 39.00'])
    shop.put(order(1, { status: 'completed', date_paid_gmt: now(), date_completed_gmt: now() }))
    expect(await poll()).toEqual([])
    const refund = (id: number, amount: string) => ({ id, amount, reason: '', date_created_gmt: now() })
    const listed = (id: number, total: string) => ({ id, reason: '', total })
    const paid = { date_paid_gmt: now(), date_completed_gmt: now() }
    shop.put(order(1, { ...paid, status: 'completed', refunds: [listed(2, '-9.00')] }), [refund(2, '9.00')])
    expect(await poll()).toEqual(['1 refunded 9.00'])
    shop.put(order(1, { ...paid, status: 'refunded', refunds: [listed(3, '-30.00'), listed(2, '-9.00')] }), [
      refund(3, '30.00'),
      refund(2, '9.00'),
    ])
    expect(await poll()).toEqual(['1 refunded 30.00 full'])
    shop.put(order(4, { status: 'cancelled' }))
    expect(await poll()).toEqual(['4 cancelled'])
    expect(await poll()).toEqual([])
  })

  test('is read page by page, and a row that the list shows late is found by the overlap', async () => {
    const { poll } = await polling()
    for (let id = 1; id <= 5; id += 1) shop.put(order(id, { date_paid_gmt: now() }))
    shop.late.add(3)
    expect(await poll()).toEqual(['1 paid 39.00', '2 paid 39.00', '4 paid 39.00', '5 paid 39.00'])
    expect(shop.requests.map(({ searchParams }) => searchParams.get('page'))).toEqual(
      expect.arrayContaining(['1', '2']),
    )
    shop.late.clear()
    expect(await poll()).toEqual(['3 paid 39.00'])
    expect(shop.requests.map(({ searchParams }) => searchParams.get('page'))).toContain('3')
  })

  test('is asked for spans that hold their own bounds, although its filters leave bounds out', async () => {
    const at = Date.parse('2026-03-02T10:15:30Z')
    shop.put(order(1, { date_modified_gmt: '2026-03-02T10:15:30' }))
    const { feed } = await source()
    if (feed.kind !== 'window') throw new Error('expected a feed of windows')
    const page = await feed.readPage({ from: at, to: at }, null, live)
    expect(page.orders.map(({ orderId }) => orderId)).toEqual(['1'])
    expect(shop.requests.at(-1)?.searchParams.get('modified_after')).toBe('2026-03-02T10:15:29')
  })
})

test('the paths that docs/rest-source.md gives for the tracking numbers of a plugin lead to its packages', async () => {
  const meta_data = [
    { id: 1, key: '_other', value: 'x' },
    { id: 2, key: '_wc_shipment_tracking_items', value: [{ tracking_number: '1Z', tracking_provider: 'ups' }] },
  ]
  shop.put({ ...SAMPLE, meta_data })
  const config = await exampleConnection('woocommerce', shop.env())
  const packages = {
    rows: "$.meta_data[?@.key == '_wc_shipment_tracking_items'].value[*]",
    trackingNumber: '$.tracking_number',
    shipped: {},
  }
  const { source } = connected({ ...config, order: { ...config.order, packages } })
  const { orders } = await source.fetch([{ orderId: '723', userId: null }], live)
  expect(orders[0]?.packages).toMatchObject([{ packageId: null, trackingNumber: '1Z', shipped: { when: null } }])
})
