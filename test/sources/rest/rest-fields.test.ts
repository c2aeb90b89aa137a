import { describe, expect, test } from 'vitest'
import { snapshotOf } from './described.ts'

const doubted = ({ doubts }: { doubts: readonly { path: string }[] }) => doubts.map(({ path }) => path)

describe('amounts', () => {
  test.each([
    [{ path: '$.total', unit: 'minor' }, 1999, 'USD', '19.99'],
    [{ path: '$.total', unit: 'minor' }, 5, 'USD', '0.05'],
    [{ path: '$.total', unit: 'minor' }, '1200', 'JPY', '1200'],
    [{ path: '$.total', unit: 'minor' }, 1500, 'KWD', '1.500'],
    [{ path: '$.total', negated: true }, '-10.00', 'USD', '10.00'],
    [{ path: '$.total', negated: true }, '0.00', 'USD', '0.00'],
    ['$.total', '12.0000', 'USD', '12.00'],
    ['$.total', 12.5, 'USD', '12.50'],
    [['$.none', '$.total'], '3', 'EUR', '3.00'],
    ['$.total', '', 'USD', null],
  ])('by %j of %j %s are %s', async (total, value, currency, expected) => {
    const snapshot = await snapshotOf({ total, currency: '$.currency' }, { total: value, currency })
    expect([snapshot.total, snapshot.doubts]).toEqual([expected, []])
  })

  test.each([
    [{ path: '$.total', unit: 'minor' }, '19.99', 'USD'],
    [{ path: '$.total', unit: 'minor' }, 1999, null],
    [{ path: '$.total', negated: true }, '10.00', 'USD'],
    ['$.total', '9,99', 'USD'],
    ['$.total', -1, 'USD'],
  ])('case 33: by %j of %j %s are quarantined, and cost no other fact', async (total, value, currency) => {
    const order = { total, currency: '$.currency', paid: { when: { path: '$.paid' } } }
    const snapshot = await snapshotOf(order, { total: value, currency, paid: 'yes' })
    expect([snapshot.total, snapshot.paid]).toEqual([null, { when: null, amount: null, method: null }])
    expect(doubted(snapshot)).toEqual(['total'])
  })

  test('have a fixed currency where the API names none', async () => {
    expect(await snapshotOf({ total: '$.total', currency: { value: 'JPY' } }, { total: '12' })).toMatchObject({
      currency: 'JPY',
      total: '12',
    })
  })
})

describe('times', () => {
  test.each([
    [{}, '2026-03-02T10:15:30+02:00', '2026-03-02T08:15:30.000Z'],
    [{ zone: 'UTC' }, '2026-03-02T10:15:30', '2026-03-02T10:15:30.000Z'],
    [{ zone: 'Europe/Berlin' }, '2026-03-02 10:15:30', '2026-03-02T09:15:30.000Z'],
    [{ zone: 'Europe/Berlin' }, '2026-07-02T10:15:30', '2026-07-02T08:15:30.000Z'],
    [{ zone: '+08:00' }, '2026-03-02T10:15:30.250', '2026-03-02T02:15:30.250Z'],
    [{ zone: 'Europe/Berlin' }, '2026-03-02T10:15:30Z', '2026-03-02T10:15:30.000Z'],
    [{}, 'Tue, 05 Mar 2019 21:40:10 +0000', '2019-03-05T21:40:10.000Z'],
    [{}, 'Tue, 05 Mar 2019 21:40:10 -0500', '2019-03-06T02:40:10.000Z'],
    [{ format: 'epoch-seconds' }, 1772446530, '2026-03-02T10:15:30.000Z'],
    [{ format: 'epoch-milliseconds' }, '1772446530250', '2026-03-02T10:15:30.250Z'],
    [{ format: 'epoch-seconds' }, 0, null],
    [{}, null, null],
  ])('written as %j are read: %j', async (times, value, expected) => {
    const snapshot = await snapshotOf({ placedAt: '$.placed' }, { placed: value }, { times })
    expect([snapshot.placedAt, snapshot.doubts]).toEqual([expected, []])
  })

  test.each([
    [{}, 'yesterday'],
    [{ zone: 'Europe/Berlin' }, '2026-02-30T10:00:00'],
    [{ format: 'epoch-seconds' }, 'soon'],
    [{ format: 'epoch-milliseconds' }, 9e15],
  ])('written as %j and unreadable are quarantined: %j', async (times, value) => {
    const snapshot = await snapshotOf({ placedAt: '$.placed' }, { placed: value }, { times })
    expect([snapshot.placedAt, doubted(snapshot)]).toEqual([null, ['placed']])
  })

  test('of one field may be written in another way than the rest', async () => {
    const order = { placedAt: { path: '$.placed', format: 'epoch-seconds' } }
    expect((await snapshotOf(order, { placed: 1772446530 })).placedAt).toBe('2026-03-02T10:15:30.000Z')
  })
})

describe('a proof', () => {
  const STATUS = { path: '$.status', map: { Paid: true, open: false } }

  test.each([
    [STATUS, 'paid', true, []],
    [STATUS, 'open', false, []],
    [STATUS, null, false, []],
    [STATUS, 'escrow', false, ['status']],
    [{ ...STATUS, other: true }, 'escrow', true, []],
    [{ ...STATUS, other: false }, 'escrow', false, []],
    [{ ...STATUS, absent: true }, '', true, []],
    [{ path: '$.status' }, 'anything', true, []],
    [{ path: '$.status' }, 'NULL', false, []],
    [[STATUS, { path: '$.updated' }], 'paid', true, []],
    [[STATUS, { path: '$.nothing' }], 'paid', false, []],
    [{ path: '$.flag', map: { true: true, false: false } }, 'open', true, []],
  ])('%j of status %j holds: %s', async (when, status, holds, doubts) => {
    const snapshot = await snapshotOf({ paid: { when } }, { status, flag: true })
    expect([snapshot.paid !== null, doubted(snapshot)]).toEqual([holds, doubts])
  })
})

describe('lists in a row', () => {
  test('are read by a path to the list, or by one that selects its elements', async () => {
    const items = [
      { id: 1, kind: 'product', qty: 2 },
      { id: 2, kind: 'fee', qty: 1 },
    ]
    const all = await snapshotOf({ lines: { rows: '$.items', id: '$.id', quantity: '$.qty' } }, { items })
    expect(all.lines.map(({ id, quantity }) => [id, quantity])).toEqual([
      ['1', 2],
      ['2', 1],
    ])
    const some = await snapshotOf({ lines: { rows: "$.items[?@.kind == 'product']", id: '$.id' } }, { items })
    expect(some.lines.map(({ id }) => id)).toEqual(['1'])
  })

  test('of packages prove shipping and arrival of each by its own words', async () => {
    const words = { path: '$.state', map: { packed: false, sent: true, arrived: true } }
    const packages = {
      rows: '$.parcels',
      id: '$.id',
      carrier: '$.by',
      trackingNumber: '$.code',
      trackingUrl: '$.url',
      lines: { rows: '$.items', id: '$.line', quantity: '$.qty' },
      shipped: { when: words, at: '$.sent_at' },
      delivered: { when: { ...words, map: { packed: false, sent: false, arrived: true } }, at: '$.arrived_at' },
    }
    const snapshot = await snapshotOf(
      { packages },
      {
        parcels: [
          { id: 'a', state: 'packed' },
          { id: 'b', state: 'sent', by: 'UPS', code: '1Z', url: 'javascript:x', items: [{ line: 9, qty: 1 }] },
          { id: 'c', state: 'arrived', sent_at: '2026-03-01T00:00:00Z', arrived_at: '2026-03-02T00:00:00Z' },
          { id: 'd', state: 'lost' },
          { state: 'sent' },
        ],
      },
    )
    const proofs = snapshot.packages.map(({ packageId, shipped, delivered }) => [packageId, !!shipped, !!delivered])
    expect(proofs).toEqual([
      ['a', false, false],
      ['b', true, false],
      ['c', true, true],
      ['d', false, false],
      [null, false, false],
    ])
    expect(snapshot.packages[1]).toMatchObject({ carrier: 'UPS', trackingNumber: '1Z', trackingUrl: null })
    expect(snapshot.packages[1]?.lines).toEqual([{ id: '9', quantity: 1 }])
    expect(snapshot.packages[2]?.delivered?.when).toEqual({ at: '2026-03-02T00:00:00.000Z', source: 'vendor' })
    expect([...new Set(doubted(snapshot))]).toEqual(['parcels[3].state', 'parcels[4]'])
  })

  test('of refunds count those that are finished, in their own currency, oldest first', async () => {
    const refunds = {
      rows: '$.refunds',
      id: '$.id',
      amount: { path: '$.amount', unit: 'minor' },
      currency: '$.currency',
      reason: '$.why',
      at: '$.at',
      when: { path: '$.state', map: { done: true, pending: false } },
    }
    const { refund, doubts } = await snapshotOf(
      { currency: '$.currency', refunds },
      {
        currency: 'USD',
        refunds: [
          { id: 2, amount: 500, state: 'done', at: '2026-03-02T00:00:00Z', why: 'call +1 202 555 0100' },
          { id: 1, amount: 700, currency: 'JPY', state: 'done', at: '2026-03-01T00:00:00Z' },
          { id: 3, amount: 1, state: 'pending' },
          { id: 4, amount: 1, state: 'odd' },
          { amount: 1, state: 'done' },
        ],
      },
    )
    expect(refund?.records).toMatchObject([
      { refundId: '1', amount: '700', currency: 'JPY' },
      { refundId: '2', amount: '5.00', currency: 'USD' },
    ])
    expect(JSON.stringify(refund)).not.toContain('555')
    expect(doubts.map(({ path }) => path)).toEqual(['refunds[3].state', 'refunds[4]'])
  })
})

describe('an order', () => {
  test('tells a running total of refunds, full or partial, and a cancellation with its reason', async () => {
    const word = (word: string) => ({ path: '$.money', map: { [word]: true }, other: false })
    const order = {
      refunded: { total: '$.back', full: word('all'), partial: word('some'), at: '$.back_at', reason: '$.why' },
      cancelled: { when: { path: '$.cancelled_at' }, at: '$.cancelled_at', reason: '$.why' },
      delivered: { when: { path: '$.arrived_at' }, at: '$.arrived_at' },
    }
    const at = '2026-03-02T10:00:00Z'
    const snapshot = await snapshotOf(order, {
      back: '5',
      money: 'some',
      cancelled_at: at,
      arrived_at: at,
      why: 'late',
    })
    const when = { at: '2026-03-02T10:00:00.000Z', source: 'vendor' }
    expect(snapshot).toMatchObject({
      refund: { records: 'unavailable', total: '5.00', full: false, reason: 'late' },
      cancelled: { when, reason: 'late' },
      delivered: { when },
    })
    expect((await snapshotOf(order, { money: 'all' })).refund).toMatchObject({ total: null, full: true })
    expect((await snapshotOf(order, { back: '0.00', money: 'none' })).refund).toBeNull()
    expect((await snapshotOf(order, { back: 'x' })).refund).toMatchObject({ total: null, totalUnreadable: true })
  })
})
