import { describe, expect, test } from 'vitest'
import { readKakacloOrder } from '../../../src/sources/kakaclo/kakaclo-row.ts'
import { readShoplazzaOrder } from '../../../src/sources/shoplazza/shoplazza-row.ts'
import { readTuyaOrder, tuyaStatuses } from '../../../src/sources/tuya/tuya-row.ts'

/** Ids that no database keeps to the letter: one of them would be stored as another order's, or break the page it comes with. */
const UNSTORABLE = ['a\0b', '\0', 'a\ud800', '\udc00b', '\ude00\ud83d']

const readers = {
  kakaclo: (id: string) => readKakacloOrder({ id, status: 'processing' }, { currency: 'USD' }),
  shoplazza: (id: string) => readShoplazzaOrder({ id, status: 'placed' }),
  tuya: (id: string) =>
    readTuyaOrder({ order_id: id }, tuyaStatuses({ paid: [], shipped: [], delivered: [], refunded: [] })),
}

describe.each(Object.entries(readers))('an order of %s', (_, read) => {
  test.each(UNSTORABLE)('with the id %j is rejected, and the reject names no id', id => {
    expect(read(id)).toMatchObject({ orderId: null, reason: expect.stringContaining('expected an id') })
  })

  test('with an id of any other characters is read', () => {
    expect(read('Bestellung-Ä/😀')).toMatchObject({ orderId: 'Bestellung-Ä/😀' })
  })
})

const pathsOf = (read: object) => ('doubts' in read ? (read.doubts as { path: string }[]).map(({ path }) => path) : [])

describe('a package', () => {
  test.each(UNSTORABLE)('of Shoplazza with the id %j is doubted, and the order goes on', id => {
    const read = readShoplazzaOrder({
      id: 'o1',
      status: 'placed',
      fulfillments: [{ id, status: 'shipped', tracking_number: 'T1' }],
    })
    expect(read).toMatchObject({ orderId: 'o1', packages: [{ packageId: null }] })
    expect(pathsOf(read)).toContain('fulfillments[0].id')
  })

  test.each(UNSTORABLE)('of Kakaclo with the id %j is doubted, and the order goes on', id => {
    const fulfillments = [{ id, status: 'shipped', trackingCode: 'T1' }]
    const read = readKakacloOrder({ id: 'o1', status: 'processing', fulfillments }, { currency: 'USD' })
    expect(read).toMatchObject({ orderId: 'o1', packages: [{ packageId: null }] })
    expect(pathsOf(read)).toContain('fulfillments[0].id')
  })
})
