import { describe, expect, test } from 'vitest'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { leaseOf, NOW, order, page, type World } from './world.ts'

export function orderContract(world: World): void {
  describe('orders', () => {
    /** An order whose state has this many events. */
    const knowing = (orderId: string, sequence: number) =>
      order(orderId, { state: { ...order(orderId).state, sequence } })
    const awkward = `a'"\\b%_ü🙂,{}[]\n`

    test('what is committed is read back whole, by id, in bulk, and after a restart', async () => {
      const { store } = world
      const state = { ...order('x').state, sequence: 2, said: ['paid', `shipped:${awkward}`], refundTotal: '5.00' }
      const rows = [order('1', { userId: 'u', state, recheckAt: NOW + 5 }), order(awkward)]
      await store.orders.commit(await leaseOf(store), page({ orders: rows }))
      await world.reopen()
      for (const row of rows) expect(await world.store.orders.get('shop', row.orderId)).toEqual(row)
      expect(await world.store.orders.load('shop', ['1', awkward, 'unknown'])).toEqual(
        new Map(rows.map(row => [row.orderId, row])),
      )
      expect(await world.store.orders.digests('shop', ['1', awkward, 'unknown'])).toEqual(
        new Map([
          ['1', { digest: 'digest of 1', recheckAt: NOW + 5 }],
          [awkward, { digest: `digest of ${awkward}`, recheckAt: null }],
        ]),
      )
    })

    test('an order committed again is replaced; connections are kept apart', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(
        lease,
        page({ orders: [order('1', { recheckAt: 5 }), order('1', { connection: 'other' })] }),
      )
      const next = order('1', { digest: 'new', observedAt: NOW + 1, userId: 'u' })
      await store.orders.commit(lease, page({ orders: [next] }))
      expect(await store.orders.get('shop', '1')).toEqual(next)
      expect(await store.orders.get('other', '1')).toEqual(order('1', { connection: 'other' }))
    })

    test('of an order that is twice in a page the last counts', async () => {
      const { store } = world
      await store.orders.commit(await leaseOf(store), page({ orders: [order('1'), order('1', { digest: 'last' })] }))
      expect(await store.orders.get('shop', '1')).toMatchObject({ digest: 'last' })
    })

    test('asking for no ids finds nothing, and a whole page of ids finds all', async () => {
      const { store } = world
      const ids = Array.from({ length: 250 }, (_, index) => `o${index}`)
      await store.orders.commit(await leaseOf(store), page({ orders: ids.map(id => order(id)) }))
      expect(await store.orders.digests('shop', [])).toEqual(new Map())
      expect(await store.orders.load('shop', [])).toEqual(new Map())
      expect((await store.orders.digests('shop', ids)).size).toBe(250)
    })

    test('due gives orders whose recheck time has come, earliest first', async () => {
      const { store } = world
      const rows = [
        order('later', { recheckAt: NOW + 10 }),
        order('second', { recheckAt: NOW }),
        order('never'),
        order('first', { recheckAt: NOW - 10 }),
        order('foreign', { connection: 'other', recheckAt: NOW }),
      ]
      await store.orders.commit(await leaseOf(store), page({ orders: rows }))
      expect((await store.orders.due('shop', NOW, 10)).map(row => row.orderId)).toEqual(['first', 'second'])
      expect((await store.orders.due('shop', NOW, 1)).map(row => row.orderId)).toEqual(['first'])
    })

    test('a recheck is put off, and nothing else of the order; one that was set since it was read stays', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const [one, two] = [order('1', { recheckAt: NOW, userId: 'u' }), order('2', { recheckAt: NOW })]
      await store.orders.commit(
        lease,
        page({ orders: [one, two, order('1', { connection: 'other', recheckAt: NOW })] }),
      )
      expect(await store.orders.due('shop', NOW, 10)).toEqual([
        { orderId: '1', userId: 'u', recheckAt: NOW },
        { orderId: '2', userId: null, recheckAt: NOW },
      ])
      await store.orders.commit(lease, page({ orders: [order('2', { recheckAt: NOW + 3, digest: 'newer' })] }))
      await store.orders.postpone(lease, 'shop', [
        { orderId: '1', userId: null, recheckAt: NOW, next: NOW + 500 },
        { orderId: '2', userId: null, recheckAt: NOW, next: NOW + 500 },
        { orderId: 'unknown', userId: null, recheckAt: NOW, next: NOW + 500 },
      ])
      expect(await store.orders.get('shop', '1')).toEqual({ ...one, recheckAt: NOW + 500 })
      expect(await store.orders.get('shop', '2')).toMatchObject({ recheckAt: NOW + 3, digest: 'newer' })
      expect(await store.orders.get('shop', 'unknown')).toBeNull()
      expect(await store.orders.get('other', '1')).toMatchObject({ recheckAt: NOW })
    })

    test('a page is stored whole or not at all: an event that exists already takes orders and quarantine entries back', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ orders: [knowing('1', 1)], events: eventsOf('1', 1) }))
      const again = page({
        orders: [order('1'), order('2')],
        events: [eventRecord({ orderId: '2' }), eventRecord({ orderId: '1' })],
        quarantine: [{ orderId: '2', entries: [{ path: 'p', value: 'v', reason: 'r' }], at: NOW }],
      })
      await expect(store.orders.commit(lease, again)).rejects.toMatchObject({ code: 'store.conflict', intent: 'stop' })
      expect(await store.orders.load('shop', ['1', '2'])).toEqual(new Map([['1', knowing('1', 1)]]))
      expect(await store.events.count({})).toBe(1)
      expect(await store.quarantine.list({}, { limit: 10 })).toEqual([])
    })

    test('a second event with the same sequence of an order is refused', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ orders: [knowing('1001', 1)], events: [eventRecord()] }))
      await expect(
        store.orders.commit(lease, page({ events: [eventRecord({ id: 'evt_other' })] })),
      ).rejects.toMatchObject({
        code: 'store.conflict',
      })
    })

    test('after a refused commit the store works on', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ events: [eventRecord()] }))
      await Promise.allSettled([
        store.orders.commit(lease, page({ events: [eventRecord()] })),
        store.orders.commit(lease, page({ orders: [order('1')] })),
        store.orders.commit(lease, page({ events: [eventRecord()] })),
        store.orders.commit(lease, page({ orders: [order('2')] })),
      ])
      expect((await store.orders.load('shop', ['1', '2'])).size).toBe(2)
    })
  })

  describe('quarantine', () => {
    const doubt = (path: string, value = 'v') => ({ path, value, reason: `cannot read ${path}` })

    test('the entries of an order are replaced by its next page; one that stays keeps id and time', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(
        lease,
        page({ quarantine: [{ orderId: '1', entries: [doubt('a'), doubt('b')], at: NOW }] }),
      )
      const before = await store.quarantine.list({}, { limit: 10 })
      await store.orders.commit(
        lease,
        page({ quarantine: [{ orderId: '1', entries: [doubt('b', 'w'), doubt('c')], at: NOW + 5 }] }),
      )
      const after = await store.quarantine.list({}, { limit: 10 })
      expect(after.map(({ path, at, value }) => [path, at, value])).toEqual([
        ['c', NOW + 5, 'v'],
        ['b', NOW, 'w'],
      ])
      expect(after[1]?.id).toBe(before.find(row => row.path === 'b')?.id)
    })

    test('an order committed without entries loses its quarantine entries; an order not named keeps them', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const of = (orderId: string) => ({ orderId, entries: [doubt('a')], at: NOW })
      await store.orders.commit(lease, page({ quarantine: [of('1'), of('2')] }))
      await store.orders.commit(lease, page({ quarantine: [{ orderId: '1', entries: [], at: NOW }] }))
      expect((await store.quarantine.list({}, { limit: 10 })).map(row => row.orderId)).toEqual(['2'])
    })

    test('a row without an order id is kept once, however often it is seen', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const rows = (at: number) => [
        { orderId: null, entries: [doubt('', '{"x":1}')], at },
        { orderId: null, entries: [doubt('', '{"x":2}')], at },
      ]
      await store.orders.commit(lease, page({ quarantine: rows(NOW) }))
      await store.orders.commit(lease, page({ quarantine: rows(NOW + 5) }))
      const listed = await store.quarantine.list({}, { limit: 10 })
      expect(listed.map(({ value, at, orderId }) => [value, at, orderId])).toEqual([
        ['{"x":2}', NOW, null],
        ['{"x":1}', NOW, null],
      ])
    })

    test('text that a database could not keep is kept as far as it can be', async () => {
      const { store } = world
      const entries = [{ path: 'a', value: 'nul \0 half \ud83d', reason: 'why \0' }]
      await store.orders.commit(await leaseOf(store), page({ quarantine: [{ orderId: '1', entries, at: NOW }] }))
      const [row] = await store.quarantine.list({}, { limit: 1 })
      expect(row?.value).toBe('nul  half \ufffd')
    })

    test('a span of update time is kept with its next time until it could be read', async () => {
      const { store } = world
      const { quarantine } = store
      const lease = await leaseOf(store)
      const span = {
        connection: 'shop',
        from: NOW,
        to: NOW,
        at: NOW + 5,
        reason: 'no JSON',
        tries: 0,
        nextAt: NOW + 60,
      }
      const other = { ...span, connection: 'other', to: NOW + 1_000 }
      for (const one of [span, other, { ...span, from: NOW - 9_000, to: NOW - 9_000 }])
        await quarantine.setSpan(lease, one)
      await quarantine.setSpan(lease, { ...span, at: NOW + 90, reason: 'answered 500', tries: 1, nextAt: NOW + 400 })

      expect((await quarantine.spans('shop')).map(({ from }) => from)).toEqual([NOW - 9_000, NOW])
      expect((await quarantine.spans('shop'))[1]).toEqual({
        ...span,
        reason: 'answered 500',
        tries: 1,
        nextAt: NOW + 400,
      })
      const [entry] = await quarantine.list({ connection: 'other' }, { limit: 10 })
      if (!entry) throw new Error('there is one')
      const iso = (ms: number) => new Date(ms).toISOString()
      expect(entry).toMatchObject({
        orderId: null,
        at: NOW + 5,
        path: 'updated_at',
        value: `${iso(NOW)}/${iso(NOW + 1_000)}`,
        span: { from: NOW, to: NOW + 1_000 },
      })
      expect((await store.connections.counts()).get('other')?.quarantined).toBe(1)
      await quarantine.makeDue(entry.id, NOW - 1)
      expect((await quarantine.spans('other')).map(({ nextAt }) => nextAt)).toEqual([NOW - 1])
      await quarantine.removeSpan(lease, span)
      expect((await quarantine.spans('shop')).map(({ from }) => from)).toEqual([NOW - 9_000])
    })

    test('a span is set aside, and taken out again, by the holder of the lease only', async () => {
      const { store } = world
      const { quarantine } = store
      const lease = await leaseOf(store)
      const stale = { ...lease, epoch: lease.epoch - 1 }
      const span = { connection: 'shop', from: NOW, to: NOW, at: NOW, reason: 'r', tries: 0, nextAt: NOW }
      await expect(quarantine.setSpan(stale, span)).rejects.toMatchObject({ code: 'store.lease_lost' })
      await quarantine.setSpan(lease, span)
      await expect(quarantine.removeSpan(stale, span)).rejects.toMatchObject({ code: 'store.lease_lost' })
      expect(await quarantine.spans('shop')).toHaveLength(1)
    })

    test('list filters and pages; get and remove work by id', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      for (const orderId of ['1', '2', '3'])
        await store.orders.commit(lease, page({ quarantine: [{ orderId, entries: [doubt('a')], at: NOW }] }))
      await store.orders.commit(
        lease,
        page({ connection: 'other', quarantine: [{ orderId: '1', entries: [doubt('a')], at: NOW }] }),
      )

      const { quarantine } = store
      expect((await quarantine.list({ connection: 'shop' }, { limit: 10 })).map(row => row.orderId)).toEqual([
        '3',
        '2',
        '1',
      ])
      expect(await quarantine.list({ orderId: '1' }, { limit: 10 })).toHaveLength(2)
      expect(await quarantine.list({ connection: 'shop', orderId: '1' }, { limit: 10 })).toHaveLength(1)
      const [newest] = await quarantine.list({}, { limit: 1 })
      if (!newest) throw new Error('there are entries')
      expect(newest).toMatchObject({ connection: 'other', path: 'a', value: 'v', reason: 'cannot read a', at: NOW })
      expect(await quarantine.list({}, { limit: 10, after: newest.n })).toHaveLength(3)
      expect(await quarantine.get(newest.id)).toEqual(newest)
      await quarantine.remove(newest.id)
      expect(await quarantine.get(newest.id)).toBeNull()
      expect(await quarantine.list({}, { limit: 10 })).toHaveLength(3)
    })
  })
}
