import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OrderSnapshot } from '../../../schemas/order.ts'
import { readTuyaOrder, tuyaStatuses } from '../../../src/sources/tuya/tuya-row.ts'

type Row = Record<string, unknown>

const SAMPLE = JSON.parse(readFileSync(new URL('../../fixtures/tuya/order.json', import.meta.url), 'utf8')) as Row
const NONE = { paid: [], shipped: [], delivered: [], refunded: [] }

const read = (changes: Row, statuses: Partial<typeof NONE> | Record<string, string[]> = {}): OrderSnapshot =>
  OrderSnapshot.parse(readTuyaOrder({ ...SAMPLE, ...changes }, tuyaStatuses({ ...NONE, ...statuses })))

describe('the published sample', () => {
  test('is paid, shipped and cancelled together; no person is in the snapshot', () => {
    const snapshot = read({})
    expect(snapshot).toEqual({
      orderId: 'testOrderId',
      orderNumber: null,
      currency: 'USD',
      total: '2.00',
      placedAt: '2022-09-01T00:00:00.000Z',
      updatedAt: null,
      status: 'paid/shipped',
      lines: [{ id: '466157049', sku: 'PLAYER2008', title: 'Music player, 8 GB', quantity: 1, price: '2.00' }],
      shipTo: { country: 'US' },
      paid: { when: null, amount: '2.00', method: null },
      packages: [
        {
          packageId: null,
          carrier: 'USPS',
          trackingNumber: '1Z2345',
          trackingUrl: 'https://tracking.example.test/1Z2345',
          lines: [],
          statusGiven: false,
          shipped: { when: null },
          delivered: null,
        },
      ],
      delivered: null,
      refund: null,
      cancelled: { when: { at: '2022-09-02T00:00:00.000Z', source: 'vendor' }, reason: 'Ordered by mistake' },
      doubts: [],
    })
    expect(JSON.stringify(snapshot)).not.toMatch(/Test |00000|000-000/)
  })
})

describe('statuses', () => {
  test('case 20: an unknown pay_status is doubted, and the other facts go on', () => {
    const snapshot = read({ pay_status: 'mystery' })
    expect(snapshot).toMatchObject({ paid: null, doubts: [{ path: 'pay_status', value: '"mystery"' }] })
    expect(snapshot.packages[0]?.shipped).not.toBeNull()
    expect(snapshot.cancelled).not.toBeNull()
  })

  test('an unknown delivery_status is doubted, and the payment goes on', () => {
    const snapshot = read({ delivery_status: 'received' })
    expect(snapshot).toMatchObject({ delivered: null, doubts: [{ path: 'delivery_status' }] })
    expect(snapshot.packages[0]?.shipped).toBeNull()
    expect(snapshot.paid).not.toBeNull()
  })

  test.each([
    ['unpaid', 'unshipped'],
    ['pending', 'waiting'],
    [null, ''],
    ['NULL', undefined],
  ])('%j and %j prove nothing and raise no doubt', (pay_status, delivery_status) => {
    const snapshot = read({ pay_status, delivery_status })
    expect(snapshot).toMatchObject({ paid: null, delivered: null, refund: null, doubts: [] })
    expect(snapshot.packages.every(({ shipped }) => shipped === null)).toBe(true)
  })

  test('upper and lower case are the same', () => {
    expect(read({ pay_status: 'PAID', delivery_status: 'Shipped' })).toMatchObject({
      status: 'PAID/Shipped',
      doubts: [],
    })
    expect(read({ pay_status: 'Settled' }, { paid: ['settled'] }).paid).not.toBeNull()
  })

  test('configured values add to the defaults', () => {
    const statuses = { paid: ['settled'], shipped: ['on_the_way'] }
    expect(read({ pay_status: 'settled', delivery_status: 'on_the_way' }, statuses)).toMatchObject({
      paid: { amount: '2.00' },
      packages: [{ shipped: { when: null } }],
      doubts: [],
    })
    expect(read({}, statuses).paid).not.toBeNull()
  })

  test('a configured arrival proves the dispatch as well', () => {
    expect(read({ delivery_status: 'received' }, { delivered: ['received'] })).toMatchObject({
      delivered: { when: null },
      packages: [{ shipped: { when: null }, delivered: null }],
      doubts: [],
    })
  })

  test('a configured full refund proves the payment as well, and names no amount', () => {
    expect(read({ pay_status: 'refunded' }, { refunded: ['refunded'] })).toMatchObject({
      paid: { amount: '2.00' },
      refund: { records: 'unavailable', total: null, totalUnreadable: false, full: true, when: null },
      doubts: [],
    })
    expect(read({ pay_status: 'refunded' })).toMatchObject({ refund: null, doubts: [{ path: 'pay_status' }] })
  })
})

describe('packages', () => {
  test.each([[[]], [null], [undefined]])(
    'case 22: shipped with a list of %j is one dispatch of the whole order',
    list => {
      expect(read({ delivery_list: list }).packages).toEqual([
        {
          packageId: null,
          carrier: null,
          trackingNumber: null,
          trackingUrl: null,
          lines: [],
          statusGiven: false,
          shipped: { when: null },
          delivered: null,
        },
      ])
    },
  )

  test('each entry of the list is one', () => {
    const delivery_list = [{ logistics_no: 1 }, { logistics_no: '2', logistics_company: 'DHL' }]
    expect(read({ delivery_list }).packages).toMatchObject([
      { trackingNumber: '1', carrier: null },
      { trackingNumber: '2', carrier: 'DHL' },
    ])
  })
})

describe('times', () => {
  test.each(['20220901', 20220901, '2022-09-01', 1661990400, '1661990400000'])(
    'case 19: %j is a date',
    created_time => {
      expect(read({ created_time })).toMatchObject({ placedAt: '2022-09-01T00:00:00.000Z', doubts: [] })
    },
  )

  test.each([null, '', undefined, 0, '0'])('canceled_time %j is no cancellation, whatever the reason says', time => {
    expect(read({ canceled_time: time }).cancelled).toBeNull()
  })

  test('a canceled_time that cannot be read is a cancellation without a time', () => {
    expect(read({ canceled_time: 'soon' })).toMatchObject({
      cancelled: { when: null },
      doubts: [{ path: 'canceled_time' }],
    })
  })

  test('a very long reason is cut', () => {
    const long = read({ cancel_reason: `jane@example.com ${'x'.repeat(5_000)}` })
    expect(long.cancelled?.reason).toHaveLength(200)
    // A doubt would quote it.
    expect(long.doubts).toEqual([])
  })
})

describe('rows', () => {
  test.each(['9,99', -2, 'NaN'])(
    'case 33: a total of %j is doubted, and the payment goes out without it',
    total_price => {
      expect(read({ total_price })).toMatchObject({
        total: null,
        paid: { amount: null },
        doubts: [{ path: 'total_price' }],
      })
    },
  )

  test('case 34: amounts have the digits of the currency', () => {
    const line = { id: 1, price: { amount: 1.5, currency: 'KWD' } }
    expect(
      read({ currency: 'JPY', total_price: '1200', commodity_list: [line, { id: 2, price: { amount: 7 } }] }),
    ).toMatchObject({
      total: '1200',
      lines: [{ price: '1.500' }, { price: '7' }],
    })
  })

  test.each([null, 'x', { ...SAMPLE, order_id: null }, { ...SAMPLE, order_id: 2 ** 60 }])('%j is rejected', row => {
    expect(readTuyaOrder(row, tuyaStatuses(NONE))).toMatchObject({ orderId: null, reason: expect.any(String) })
  })
})
