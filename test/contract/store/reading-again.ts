import { describe, expect, test } from 'vitest'
import { leaseOf, NOW, type World } from './world.ts'

/** What the store promises of single orders, reconciliations and backfills. */
export function readingAgainContract(world: World): void {
  const wish = (orderId: string, askedAt = NOW) => ({
    connection: 'shop',
    orderId,
    userId: null,
    announced: true,
    askedAt,
    seen: 'before',
  })

  describe('order reads', () => {
    test('come earliest first, one for each order, after a restart as well', async () => {
      const { orderReads } = world.store
      await orderReads.ask(wish('b', NOW + 2))
      await orderReads.ask({ ...wish('a', NOW + 1), userId: 'u', announced: false })
      await orderReads.ask({ ...wish('c'), connection: 'other' })
      await orderReads.ask({ ...wish('a', NOW + 3), seen: 'after' })
      await world.reopen()
      expect(await world.store.orderReads.upcoming('shop', 10)).toEqual([
        { ...wish('b', NOW + 2), nextAt: NOW + 2 },
        { ...wish('a', NOW + 3), userId: 'u', seen: 'after', nextAt: NOW + 3 },
      ])
      expect(await world.store.orderReads.upcoming('shop', 1)).toHaveLength(1)
    })

    test('name the connections that have some that are due', async () => {
      const { orderReads } = world.store
      await orderReads.ask(wish('a'))
      await orderReads.ask(wish('b'))
      await orderReads.ask({ ...wish('c', NOW + 5), connection: 'later' })
      expect(await orderReads.due(['shop', 'later', 'none'], NOW)).toEqual(['shop'])
      expect(await orderReads.due([], NOW)).toEqual([])
    })

    test('are moved and ended as they were loaded; an order asked for again since then stays due', async () => {
      const { orderReads } = world.store
      for (const id of ['a', 'b', 'c']) await orderReads.ask(wish(id))
      const loaded = await orderReads.upcoming('shop', 10)
      await orderReads.ask(wish('c', NOW + 1))
      const next = { a: NOW + 9, b: null, c: null } as Record<string, number | null>
      const lease = await leaseOf(world.store)
      await orderReads.settle(
        lease,
        loaded.map(read => ({ ...read, next: next[read.orderId] ?? null })),
      )
      expect(await orderReads.upcoming('shop', 10)).toEqual([
        { ...wish('c', NOW + 1), nextAt: NOW + 1 },
        { ...wish('a'), nextAt: NOW + 9 },
      ])
      await world.store.leases.release(lease)
      await leaseOf(world.store, lease.name, 'them')
      await expect(orderReads.settle(lease, [])).rejects.toMatchObject({ code: 'store.lease_lost' })
    })
  })

  const progress = {
    beganAt: NOW,
    spans: [{ by: 'created' as const, from: 1, to: 2 }],
    wholeMs: 9,
    pages: 3,
    orders: 4,
    events: 5,
  }

  describe('reconciliations', () => {
    test('are kept whole, one for each connection', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const row = { connection: 'shop', origin: 7, nextAt: NOW, running: null, last: null, error: null }
      expect(await store.reconciliations.get('shop')).toBeNull()
      await store.reconciliations.put(lease, row)
      const running = { ...row, running: progress, last: { at: 1, orders: 2, events: 3 }, error: 'a\0b' }
      await store.reconciliations.put(lease, running)
      await world.reopen()
      expect(await world.store.reconciliations.list()).toEqual([{ ...running, error: 'ab' }])
    })
  })

  describe('backfills', () => {
    const asked = (id: string, askedAt = NOW) => ({ id, connection: 'shop', since: 5, until: null, askedAt })

    test('are worked on in the order they were asked for, until they end', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.backfills.add(asked('two', NOW + 1), 0)
      await store.backfills.add(asked('one'), 0)
      expect(await store.backfills.waiting(['shop', 'other'])).toEqual(['shop'])
      expect((await store.backfills.next('shop'))?.id).toBe('one')
      await store.backfills.save(lease, { id: 'one', progress, endedAt: NOW + 9, error: null })
      expect((await store.backfills.next('shop'))?.id).toBe('two')
      await store.backfills.save(lease, { id: 'two', progress: null, endedAt: NOW + 10, error: 'no' })
      expect([await store.backfills.next('shop'), await store.backfills.waiting(['shop'])]).toEqual([null, []])
      await world.reopen()
      expect(await world.store.backfills.get('one')).toEqual({
        ...asked('one'),
        progress,
        endedAt: NOW + 9,
        error: null,
      })
      expect((await world.store.backfills.list('shop', 5)).map(({ id }) => id)).toEqual(['two', 'one'])
    })

    test('that ended long ago are forgotten, and no others', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      for (const id of ['old', 'open']) await store.backfills.add(asked(id), 0)
      await store.backfills.save(lease, { id: 'old', progress, endedAt: NOW, error: null })
      await store.backfills.add(asked('new', NOW + 5), NOW + 1)
      expect((await store.backfills.list('shop', 5)).map(({ id }) => id)).toEqual(['new', 'open'])
    })
  })
}
