import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OrderSnapshot } from '../../../schemas/order.ts'
import { parseJson } from '../../../src/lib/exact-json.ts'
import { readKakacloOrder } from '../../../src/sources/kakaclo/kakaclo-row.ts'

type Row = Record<string, unknown>

function sample(name: string): Row {
  const text = readFileSync(new URL(`../../fixtures/kakaclo/${name}.json`, import.meta.url), 'utf8')
  const answer = parseJson(text) as { data: { list: [Row] } }
  return answer.data.list[0]
}

const V1 = sample('v1-waiting-to-ship')
const V2 = sample('v2-shipped')

/** The snapshot of a row, which must be one. */
function read(row: unknown, onZoneless?: (paths: readonly string[]) => void): OrderSnapshot {
  return OrderSnapshot.parse(readKakacloOrder(row, { currency: 'USD', ...(onZoneless && { onZoneless }) }))
}

const v1 = (changes: Row) => read({ ...V1, ...changes })
const v2 = (changes: Row) => read({ ...V2, ...changes })
const parcel = (changes: Row) => v2({ fulfillments: [{ id: 'P1', trackingCode: 'T1', ...changes }] }).packages[0]
const doubted = ({ doubts }: OrderSnapshot) => doubts.map(({ path }) => path)

describe('the published samples', () => {
  test('version 1: exactly one payment is proven, and nothing else', () => {
    expect(read(V1)).toEqual({
      orderId: '1000000515397',
      orderNumber: 'custom-1',
      currency: 'USD',
      total: '20.12',
      placedAt: '2022-11-01T06:21:20.000Z',
      updatedAt: '2022-11-01T06:21:12.000Z',
      status: 'waiting_to_ship',
      lines: [{ id: '1108502', sku: 'FSZW08517_PEB_XXL_NUB', title: null, quantity: 2, price: '4.66' }],
      shipTo: { country: 'US' },
      paid: { when: { at: '2022-11-01T06:21:21.000Z', source: 'vendor' }, amount: '20.12', method: null },
      packages: [],
      delivered: null,
      refund: null,
      cancelled: null,
      doubts: [],
    })
  })

  test('version 2: paid, and one package shipped; no person is in the snapshot', () => {
    const snapshot = read(V2)
    expect(snapshot).toMatchObject({
      orderId: '1000000462144',
      orderNumber: '1001',
      total: '35.98',
      status: 'processing',
      paid: { when: { at: '2022-09-28T03:32:23.000Z', source: 'vendor' }, amount: '35.98' },
      delivered: null,
      refund: null,
      cancelled: null,
      doubts: [],
    })
    expect(snapshot.lines.map(({ id, price }) => [id, price])).toEqual([
      ['1094003', '7.43'],
      ['1094004', '5.68'],
    ])
    expect(snapshot.packages).toEqual([
      {
        packageId: 'KA2022092811300049_1',
        carrier: 'wandexpress',
        trackingNumber: 'WNBAA0202970436YQ',
        trackingUrl: 'https://t.example.test/en#nums=WNBAA0202970436YQ',
        lines: [
          { id: '1094004', quantity: 1 },
          { id: '1094003', quantity: 1 },
        ],
        statusGiven: true,
        shipped: { when: { at: '2022-09-29T03:25:02.000Z', source: 'vendor' } },
        delivered: null,
      },
    ])
    expect(JSON.stringify([snapshot, read(V1)])).not.toMatch(/Test |"00000"|000 000/)
  })
})

describe('rows', () => {
  test.each([null, 'x', 7, []])('%j is rejected', row => {
    expect(readKakacloOrder(row, { currency: 'USD' })).toMatchObject({ orderId: null, reason: expect.any(String) })
  })

  test('case 9: an id is exact or the row is rejected', () => {
    expect(v1({ id: 1000000515397 }).orderId).toBe('1000000515397')
    const exact = parseJson('{"id":9007199254740993,"status":"cancel"}')
    expect(read(exact).orderId).toBe('9007199254740993')
    for (const id of [2 ** 60, 'NULL', undefined, {}])
      expect(readKakacloOrder({ ...V1, id }, { currency: 'USD' })).toMatchObject({ orderId: null, path: 'id' })
  })

  test('case 3: "NULL", null, empty and absent fields are the same', () => {
    const names = ['customOrderId', 'refundStatus', 'fulfillments', 'shippingAddress', 'cancelDate', 'refundedAmount']
    const variants = [null, '', 'NULL', undefined].map(value =>
      v2(Object.fromEntries(names.map(name => [name, value]))),
    )
    for (const variant of variants) expect(variant).toEqual(variants[0])
    expect(variants[0]).toMatchObject({ orderNumber: null, packages: [], shipTo: null, refund: null, doubts: [] })
  })

  test('case 4: an order of version 1 is read as such wherever it comes from', () => {
    expect(v1({ updateDate: '2022-11-02T00:00:00Z' }).updatedAt).toBe('2022-11-02T00:00:00.000Z')
    expect(v1({ refundStatus: null, financialStatus: 'NULL' }).paid).not.toBeNull()
  })

  test('case 8: a malformed option changes nothing', () => {
    const item = { ...(V1.orderItems as [Row])[0], option1: '{"name":', option2: 7, option3: [] }
    expect(v1({ orderItems: [item] })).toEqual(read(V1))
  })

  test('case 35: a time without a zone is UTC, and its field is named', () => {
    const found: string[] = []
    const { paid } = read({ ...V1, payAt: '2022-11-01 06:21:21' }, paths => found.push(...paths))
    expect(paid?.when?.at).toBe('2022-11-01T06:21:21.000Z')
    expect(found).toEqual(['payAt'])
  })

  test('lists and objects of the wrong kind are doubts, and the order goes on', () => {
    const odd = v2({ fulfillments: 'none', orderItems: { id: 1 }, shippingAddress: 'Test Street 1' })
    expect(doubted(odd).sort()).toEqual(['fulfillments', 'orderItems', 'shippingAddress'])
    expect(odd).toMatchObject({ packages: [], lines: [], shipTo: null })
    expect(odd.paid).not.toBeNull()
  })
})

describe('payment', () => {
  test.each(['waiting_to_ship', 'waiting_toship', 'refunding', 'refunded', 'refund_fail', 'partial_shipped', 'cancel'])(
    'version 1: %s with a time of payment is paid (case 7: aliases)',
    status => {
      const snapshot = v1({ status })
      expect(snapshot.paid?.when?.at).toBe('2022-11-01T06:21:21.000Z')
      expect(snapshot.doubts).toEqual([])
    },
  )

  test.each([
    ['waiting for payment', { status: 'waiting_payment' }],
    ['no time of payment', { payAt: null }],
    ['cancelled before payment', { status: 'cancel', payAt: null }],
  ])('version 1: %s is not paid', (_, changes) => {
    expect(v1(changes).paid).toBeNull()
  })

  test('version 1: an unreadable time of payment costs the time only, where the status comes after payment', () => {
    expect(v1({ payAt: 'soon' })).toMatchObject({ paid: { when: null, amount: '20.12' }, doubts: [{ path: 'payAt' }] })
    expect(v1({ payAt: 'soon', status: 'cancel' }).paid).toBeNull()
  })

  test.each([
    ['paid', true],
    ['PAID', true],
    ['waiting', false],
    ['NULL', false],
  ])('version 2: financialStatus %s', (financialStatus, isPaid) => {
    const snapshot = v2({ financialStatus })
    expect(snapshot.paid !== null).toBe(isPaid)
    expect(snapshot.doubts).toEqual([])
  })

  test('version 2: paid without a time leaves the time open', () => {
    expect(v2({ payDate: null }).paid).toEqual({ when: null, amount: '35.98', method: null })
  })

  test("the currency is the order's, else the connection's", () => {
    expect(v2({ currencyCode: 'jpy', finalAmount: 1200 })).toMatchObject({ currency: 'JPY', total: '1200' })
    const row = readKakacloOrder({ ...V1, totalAmount: '1.5' }, { currency: 'KWD' })
    expect(row).toMatchObject({ currency: 'KWD', total: '1.500', paid: { amount: '1.500' } })
    expect(v2({ currencyCode: 'dollars' })).toMatchObject({ currency: null, doubts: [{ path: 'currencyCode' }] })
  })

  test.each(['9,99', -1, 'NaN'])('case 33: an amount of %j is doubted, and the payment goes out without it', amount => {
    const snapshot = v2({ finalAmount: amount, totalAmount: 3 })
    expect(snapshot).toMatchObject({ total: null, paid: { amount: null }, doubts: [{ path: 'finalAmount' }] })
    expect(snapshot.packages[0]?.shipped).not.toBeNull()
  })

  test('case 33: an empty amount is absent', () => {
    expect(v2({ finalAmount: '' })).toMatchObject({ total: null, paid: { amount: null }, doubts: [] })
  })
})

describe('packages', () => {
  test.each([
    ['preparing', false, false],
    ['cancelled', false, false],
    ['shipped', true, false],
    ['completed', true, true],
  ])('a package that is %s', (status, shipped, delivered) => {
    const found = parcel({ status, deliveryTime: '2022-09-29T03:25:02Z' })
    expect(found).toMatchObject({ packageId: 'P1', statusGiven: true })
    expect(found?.shipped !== null).toBe(shipped)
    expect(found?.delivered).toEqual(delivered ? { when: null } : null)
  })

  test('case 6: a package without status, with the time it left and a tracking number, is shipped only', () => {
    expect(parcel({ deliveryTime: '2022-09-29T03:25:02Z' })).toMatchObject({
      statusGiven: false,
      shipped: { when: { at: '2022-09-29T03:25:02.000Z', source: 'vendor' } },
      delivered: null,
    })
    expect(parcel({ deliveryTime: null })?.shipped).toBeNull()
    expect(parcel({ deliveryTime: '2022-09-29T03:25:02Z', trackingCode: null })?.shipped).toBeNull()
  })

  test('an unknown status costs this package only, and says so', () => {
    const snapshot = v2({
      fulfillments: [
        { id: 'P1', status: 'lost', trackingCode: 'T1', deliveryTime: '2022-09-29T03:25:02Z' },
        { id: 'P2', status: 'shipped' },
      ],
    })
    expect(snapshot.packages.map(({ shipped }) => shipped !== null)).toEqual([false, true])
    expect(snapshot.doubts).toMatchObject([{ path: 'fulfillments[0].status', value: '"lost"' }])
  })

  test('its id is id, else packId', () => {
    expect(parcel({ packId: 'P9', status: 'shipped' })?.packageId).toBe('P1')
    expect(parcel({ id: null, packId: 'P9', status: 'shipped' })?.packageId).toBe('P9')
  })

  test('without any id it is told by its tracking number, and without that not at all', () => {
    expect(parcel({ id: null, status: 'shipped' })).toMatchObject({ packageId: null, trackingNumber: 'T1' })
    const nameless = v2({ fulfillments: [{ status: 'completed' }] })
    expect(nameless.packages).toMatchObject([{ shipped: null, delivered: null }])
    expect(doubted(nameless)).toEqual(['fulfillments[0].id'])
  })

  test('several entries of one package are one', () => {
    const { packages } = v2({
      fulfillments: [
        { id: 'P1', status: 'shipped', carrierType: 'last', items: [{ id: 1, productNum: 1 }] },
        { id: 'P1', status: 'completed', carrierType: 'latest', trackingCode: 'T2', items: [{ id: 1 }, { id: 2 }] },
      ],
    })
    expect(packages).toMatchObject([
      { packageId: 'P1', trackingNumber: 'T2', lines: [{ id: '1' }, { id: '2' }], delivered: { when: null } },
    ])
  })

  test("the latest tracking stands in for the package's own", () => {
    const trackingInfos = [
      { carrier: 'New', trackingCode: 'T2' },
      { carrier: 'Old', trackingCode: 'T1' },
    ]
    expect(parcel({ status: 'shipped', trackingCode: null, trackingInfos })).toMatchObject({
      carrier: 'New',
      trackingNumber: 'T2',
    })
  })

  test('case 21: a corrected tracking number leaves the package the same', () => {
    expect(parcel({ status: 'shipped', trackingCode: 'T7' })).toMatchObject({ packageId: 'P1', trackingNumber: 'T7' })
  })

  test('version 1 lists the lines of a package as orderItems', () => {
    expect(parcel({ orderItems: [{ id: 5, productNum: '2' }] })?.lines).toEqual([{ id: '5', quantity: 2 }])
  })

  test.each(['shipped', 'partial_shipped'])('an order that is %s proves no package by itself', status => {
    expect(v1({ status })).toMatchObject({ packages: [], delivered: null })
  })
})

describe('arrival', () => {
  test('case 5: completedDate on an order that is not shipped proves nothing', () => {
    const { delivered, packages } = v2({ fulfillmentStatus: 'waiting_to_ship', fulfillments: null })
    expect({ delivered, packages }).toEqual({ delivered: null, packages: [] })
    expect(v2({ status: 'completed' }).delivered).toBeNull()
  })

  test.each([
    ['version 1: delivered', { status: 'delivered', financialStatus: null }],
    ['version 2: fulfillmentStatus completed', { fulfillmentStatus: 'completed' }],
  ])('%s is the arrival of the whole order, at a time that nobody gives', (_, changes) => {
    expect(v2(changes).delivered).toEqual({ when: null })
  })
})

describe('refunds', () => {
  test('version 1: refunded is all of it, without an amount', () => {
    expect(v1({ status: 'refunded', refundDate: '2022-11-03T00:00:00Z' }).refund).toEqual({
      records: 'unavailable',
      total: null,
      totalUnreadable: false,
      full: true,
      reason: null,
      when: { at: '2022-11-03T00:00:00.000Z', source: 'vendor' },
    })
  })

  test.each(['refunding', 'refund_fail'])('%s is no refund', status => {
    expect(v1({ status })).toMatchObject({ refund: null, doubts: [] })
    expect(v2({ refundStatus: status })).toMatchObject({ refund: null, doubts: [] })
  })

  test('case 11: version 2 shows the total refunded so far', () => {
    const totals = [5, '12.0000', 12].map(
      refundedAmount => v2({ refundStatus: 'partial_refund', refundedAmount }).refund,
    )
    expect(totals.map(refund => refund?.total)).toEqual(['5.00', '12.00', '12.00'])
    expect(totals[0]).toMatchObject({ full: false, records: 'unavailable', when: null })
  })

  test.each(['refunded', 'refund'])('case 7: refundStatus %s is all of it', refundStatus => {
    expect(v2({ refundStatus, refundedAmount: 35.98 }).refund).toMatchObject({ total: '35.98', full: true })
  })

  test('a total without a status is a refund, of which nobody says whether it is full', () => {
    expect(v2({ refundedAmount: 5 }).refund).toMatchObject({ total: '5.00', full: null })
    expect(v2({ refundedAmount: 0 }).refund).toBeNull()
  })

  test('version 2: refunded without an amount leaves the amount open', () => {
    expect(v2({ refundStatus: 'refunded' })).toMatchObject({ refund: { total: null, full: true }, doubts: [] })
  })

  test('a refund that is claimed but put at nothing waits, visibly', () => {
    expect(v2({ refundStatus: 'refunded', refundedAmount: 0 })).toMatchObject({
      refund: { total: '0.00', full: true },
      doubts: [{ path: 'refundedAmount', value: '0' }],
    })
    expect(v2({ refundStatus: 'partial_refund' })).toMatchObject({
      refund: { total: null, full: false },
      doubts: [{ path: 'refundedAmount' }],
    })
  })

  test.each(['9,99', -5, 'NaN'])('case 33: a total of %j cannot be read, and the refund waits', refundedAmount => {
    expect(v2({ refundStatus: 'refunded', refundedAmount })).toMatchObject({
      refund: { total: null, totalUnreadable: true, full: true },
      doubts: [{ path: 'refundedAmount' }],
    })
  })
})

describe('cancellation', () => {
  test('is the status cancel, at its date', () => {
    expect(v2({ status: 'cancel', cancelDate: '2022-10-01T00:00:00Z' }).cancelled).toEqual({
      when: { at: '2022-10-01T00:00:00.000Z', source: 'vendor' },
      reason: null,
    })
    expect(v1({ status: 'cancel' }).cancelled).toEqual({ when: null, reason: null })
  })

  test('is not a date alone, nor a cancelled package', () => {
    const fulfillments = [{ id: 'P1', status: 'cancelled' }]
    expect(v2({ cancelDate: '2022-10-01T00:00:00Z', fulfillments }).cancelled).toBeNull()
  })
})

test.each(['status', 'financialStatus', 'fulfillmentStatus', 'refundStatus'])(
  'an unknown %s is doubted by name, and the other facts go on',
  path => {
    const snapshot = v2({ [path]: 'teleported', refundedAmount: 3 })
    expect(snapshot.doubts).toMatchObject([{ path, value: '"teleported"' }])
    expect(snapshot.packages[0]?.shipped).not.toBeNull()
    expect(snapshot.refund).toMatchObject({ total: '3.00', full: null })
    expect(snapshot.paid === null).toBe(path === 'financialStatus')
  },
)

test('case 36: an order first seen refunded and delivered proves each by its own', () => {
  const snapshot = v2({
    status: 'completed',
    fulfillmentStatus: 'completed',
    refundStatus: 'refunded',
    refundedAmount: 35.98,
    fulfillments: [{ id: 'P1', status: 'completed', deliveryTime: '2022-09-29T03:25:02Z' }],
  })
  expect(snapshot.paid).not.toBeNull()
  expect(snapshot.packages).toMatchObject([{ shipped: { when: { source: 'vendor' } }, delivered: { when: null } }])
  expect(snapshot.refund).toMatchObject({ total: '35.98', full: true })
})
