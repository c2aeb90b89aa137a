import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ConfigInput } from '../../schemas/config.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { command, configure } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** The vendors' own sample payloads, served as the vendors serve them, and exactly the events they prove. */

const fixture = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures', name), 'utf8'))
const rowOf = (name: string) => fixture(name).data.list[0]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox

beforeAll(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const kakaclo = {
    vendor: 'kakaclo' as const,
    baseUrl: `${sandbox.url}/kakaclo/openapi`,
    token: 'sandbox-kakaclo-token',
    backfill: '2022-01-01',
  }
  const shoplazza = { vendor: 'shoplazza' as const, accessToken: 'sandbox-shoplazza-token', backfill: '2026-01-01' }
  const config: ConfigInput = {
    connections: [
      { id: 'kk1', ...kakaclo, apiVersion: 'v1' },
      { id: 'kk2', ...kakaclo, apiVersion: 'v2' },
      {
        id: 'tuya',
        vendor: 'tuya',
        baseUrl: `${sandbox.url}/tuya`,
        clientId: 'sandbox-tuya-id',
        clientSecret: 'sandbox-tuya-secret',
        mallCode: 'sandbox-mall',
        shopCode: 'sandbox-shop',
      },
      { id: 'shop1', ...shoplazza, baseUrl: `${sandbox.url}/shoplazza/openapi/2022-01` },
      { id: 'shop2', ...shoplazza, baseUrl: `${sandbox.url}/shoplazza/openapi/2025-06` },
    ],
  }
  await configure(folder.path, config)
})

afterAll(async () => {
  await sandbox.close()
  await folder.remove()
})

/** What a dry poll says: type, time with its source, and the fact's own member. */
async function dryPoll(connection: string, ...args: string[]) {
  const { stdout, stderr, code } = await command(folder.path, ['poll', connection, '--dry-run', '--json', ...args])
  expect([code, stderr]).toEqual([0, ''])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map(line => {
      const { type, data } = OrderEvent.parse(JSON.parse(line))
      const { occurredAt, occurredAtSource, ...rest } = data
      const own = Object.entries(rest).find(([name]) =>
        ['payment', 'shipment', 'delivery', 'refund', 'cancellation'].includes(name),
      )
      return [type, occurredAt, occurredAtSource, own?.[1]]
    })
}

test('Kakaclo, Query Order V1: an order waiting to be shipped is paid, and nothing else', async () => {
  sandbox.kakaclo.clear()
  sandbox.kakaclo.put('1000000515397', rowOf('kakaclo/v1-waiting-to-ship.json'))
  expect(await dryPoll('kk1')).toEqual([
    ['order.paid', '2022-11-01T06:21:21.000Z', 'vendor', { amount: '20.12', currency: 'USD', method: null }],
  ])
})

test('Kakaclo, automatic split: a package shipped, and a partial refund by its step', async () => {
  sandbox.kakaclo.clear()
  const row = rowOf('kakaclo/v2-shipped.json')
  const split = row.orderItems.map((item: object) => ({ ...item, countryCode: 'CN' }))
  sandbox.kakaclo.put(row.id, {
    ...row,
    orderItems: split,
    refundStatus: 'partial_refund',
    refundedAmount: 5.68,
    refundDate: '2022-09-28T20:00:00Z',
  })
  expect(await dryPoll('kk2')).toEqual([
    ['order.paid', '2022-09-28T03:32:23.000Z', 'vendor', { amount: '35.98', currency: 'USD', method: null }],
    [
      'order.shipped',
      '2022-09-29T03:25:02.000Z',
      'vendor',
      {
        packageId: 'KA2022092811300049_1',
        carrier: 'wandexpress',
        trackingNumber: 'WNBAA0202970436YQ',
        trackingUrl: 'https://t.example.test/en#nums=WNBAA0202970436YQ',
        lines: [
          { id: '1094004', quantity: 1 },
          { id: '1094003', quantity: 1 },
        ],
      },
    ],
    [
      'order.refunded',
      '2022-09-28T20:00:00.000Z',
      'vendor',
      { refundId: '0.00-5.68', amount: '5.68', currency: 'USD', totalRefunded: '5.68', full: false, reason: null },
    ],
  ])
})

test('Tuya mall, Query Order Details: paid, shipped and cancelled together, with the times it gives', async () => {
  sandbox.tuya.clear()
  sandbox.tuya.put(
    'testOrderId',
    { ...fixture('tuya/order.json'), mall_code: 'sandbox-mall', shop_code: 'sandbox-shop' },
    { owner: 'testUserId' },
  )
  const events = await dryPoll('tuya', '--order', 'testOrderId', '--user', 'testUserId')
  const now = expect.stringMatching(/^20\d\d-/)
  expect(events).toEqual([
    ['order.paid', now, 'observed', { amount: '2.00', currency: 'USD', method: null }],
    [
      'order.shipped',
      now,
      'observed',
      {
        packageId: null,
        carrier: 'USPS',
        trackingNumber: '1Z2345',
        trackingUrl: 'https://tracking.example.test/1Z2345',
        lines: [],
      },
    ],
    ['order.cancelled', '2022-09-02T00:00:00.000Z', 'vendor', { reason: 'Ordered by mistake' }],
  ])
})

test.each([
  { name: '2022-01: order list', connection: 'shop1', file: 'shoplazza/order-2022-01.json' },
  { name: '2025-06 and later', connection: 'shop2', file: 'shoplazza/order-2025-06.json' },
])('Shoplazza, $name: paid, shipped and delivered by package, refunded by record', async ({ connection, file }) => {
  sandbox.shoplazza.clear()
  const row = fixture(file)
  sandbox.shoplazza.put(row.id, row)
  const record = { id: 'r-1', order_id: row.id, refund_price: '9.99', currency: 'USD' }
  sandbox.shoplazza.putRefunds(row.id, [{ ...record, status: 'finished' }], [{ ...record, refund_status: 'finished' }])
  const whole = await dryPoll(connection)
  expect(whole.map(([type]) => type)).toEqual(expectedTypes(row))
  expect(whole[0]).toEqual([
    'order.paid',
    new Date(row.placed_at).toISOString(),
    'vendor',
    expect.objectContaining({ amount: Number(row.total_paid) > 0 ? row.total_paid : row.total_price }),
  ])
  expect(whole.find(([type]) => type === 'order.refunded')).toEqual([
    'order.refunded',
    expect.any(String),
    expect.any(String),
    {
      refundId: 'r-1',
      amount: '9.99',
      currency: 'USD',
      totalRefunded: '9.99',
      // A refund in another currency than the order's cannot be compared with it.
      full: row.currency === 'USD' ? row.financial_status === 'refunded' : null,
      reason: null,
    },
  ])
  expect(await dryPoll(connection, '--order', row.id)).toEqual(whole)
})

function expectedTypes(row: { status: string; fulfillments: { status: string }[] }): string[] {
  const statuses = row.fulfillments.map(({ status }) => status)
  return [
    'order.paid',
    ...statuses.filter(status => status === 'shipped' || status === 'finished').map(() => 'order.shipped'),
    ...statuses.filter(status => status === 'finished').map(() => 'order.delivered'),
    'order.refunded',
    ...(row.status === 'cancelled' ? ['order.cancelled'] : []),
  ]
}
