import { describe, expect, test, vi } from 'vitest'
import { LEASE_LOST, type Lease } from '../../../src/store/port/leases.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { leaseOf, NOW, order, page, type World } from './world.ts'

export function leaseContract(world: World): void {
  describe('leases', () => {
    test('a free lease is had, and refused to others while it lasts', async () => {
      const { leases } = world.store
      expect(await leases.acquire('a', 'us', 60_000, Date.now())).toEqual({ name: 'a', owner: 'us', epoch: 1 })
      expect(await leases.acquire('a', 'them', 60_000, Date.now())).toBeNull()
      expect(await leases.acquire('b', 'them', 60_000, Date.now())).toMatchObject({ owner: 'them', epoch: 1 })
    })

    test('those that are held are listed with their holder and their end', async () => {
      const { leases } = world.store
      const [start, others] = [Date.now(), (await leases.list()).length]
      const released = await leases.acquire('a', 'us', 60_000, start)
      await leases.acquire('b', 'them', 60_000, start)
      await leases.takeOver('c', 'group')
      if (released) await leases.release(released)
      const held = await leases.list()
      expect(held).toHaveLength(others + 2)
      expect(held.filter(({ name }) => ['a', 'b', 'c'].includes(name))).toEqual([
        { name: 'b', owner: 'them', epoch: 1, expiresAt: expect.any(Number) },
        { name: 'c', owner: 'group', epoch: 1, expiresAt: null },
      ])
      expect(held.find(({ name }) => name === 'b')?.expiresAt).toBeGreaterThan(start)
    })

    test('its holder gets it again with the same epoch', async () => {
      const { leases } = world.store
      const first = await leases.acquire('a', 'us', 60_000, Date.now())
      expect(await leases.acquire('a', 'us', 60_000, Date.now())).toEqual(first)
    })

    test('an expired lease passes to another with a higher epoch, and its former holder can neither renew nor release it', async () => {
      const { leases } = world.store
      const old = await leases.acquire('a', 'us', 20, Date.now())
      if (!old) throw new Error('the lease was free')
      const taken = await vi.waitFor(
        async () => {
          const lease = await leases.acquire('a', 'them', 60_000, Date.now())
          expect(lease).not.toBeNull()
          return lease
        },
        { timeout: 10_000, interval: 10 },
      )
      expect(taken).toEqual({ name: 'a', owner: 'them', epoch: old.epoch + 1 })
      expect(await leases.renew(old, 60_000, Date.now())).toBe(false)
      await leases.release(old)
      expect(await leases.acquire('a', 'us', 60_000, Date.now())).toBeNull()
    })

    test('a renewed lease outlives its first term', async () => {
      const { leases } = world.store
      const lease = await leases.acquire('a', 'us', 1, Date.now())
      if (!lease) throw new Error('the lease was free')
      expect(await leases.renew(lease, 60_000, Date.now())).toBe(true)
      expect(await leases.acquire('a', 'them', 60_000, Date.now() + 1000)).toBeNull()
    })

    test('a released lease is free at once, and its next holder has a higher epoch', async () => {
      const { leases } = world.store
      const lease = await leaseOf(world.store, 'a')
      await leases.release(lease)
      expect(await leases.renew(lease, 60_000, Date.now())).toBe(false)
      expect(await leases.acquire('a', 'them', 60_000, Date.now())).toMatchObject({ epoch: lease.epoch + 1 })
    })

    test('of many who ask at the same time, one gets it', async () => {
      const owners = Array.from({ length: 20 }, (_, index) => `owner-${index}`)
      const answers = await Promise.all(owners.map(owner => world.store.leases.acquire('a', owner, 60_000, Date.now())))
      expect(answers.filter(lease => lease !== null)).toHaveLength(1)
    })

    test('one is taken over from whoever has it, each time with a higher epoch, and stays until it is taken over again', async () => {
      const { leases } = world.store
      expect(await leases.takeOver('a', 'us')).toEqual({ name: 'a', owner: 'us', epoch: 1 })
      const former = await leases.takeOver('a', 'us')
      const [one, two] = await Promise.all([leases.takeOver('a', 'us'), leases.takeOver('a', 'them')])
      expect([former.epoch, ...[one.epoch, two.epoch].sort()]).toEqual([2, 3, 4])
      const latest = one.epoch > two.epoch ? one : two
      const write = (lease: Lease) => world.store.offsets.set('g', 0, lease.epoch, lease)
      await expect(write(former)).rejects.toMatchObject({ code: LEASE_LOST })
      await write(latest)
      expect(await world.store.offsets.get('g', 0)).toBe(4)
    })

    test.each([
      ['commit', 'orders'],
      ['update', 'connections'],
      ['markPublished', 'events'],
      ['reschedule', 'follows'],
      ['postpone', 'orders'],
      ['set', 'offsets'],
      ['queued', 'replays'],
    ])('%s under a lease that has passed to another is refused and changes nothing', async method => {
      const { store } = world
      await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
      await store.follows.put('shop', 'order', '1', null, NOW)
      const setUp = await leaseOf(store, 'set-up')
      await store.orders.commit(
        setUp,
        page({ orders: [order('7', { recheckAt: NOW })], events: [eventRecord()], published: false }),
      )
      const [event] = await store.events.unpublished('shop', 1)
      const [follow] = await store.follows.due('shop', NOW, 1)
      await store.replays.add('billing', {}, NOW)
      const [replay] = await store.replays.pending()
      if (!event || !follow) throw new Error('an event and a follow were stored')

      const lost = await leaseOf(store, 'work')
      await store.leases.release(lost)
      await store.leases.acquire('work', 'them', 60_000, Date.now())
      const write = {
        commit: () =>
          store.orders.commit(lost, page({ orders: [order('1')], events: [eventRecord({ orderId: '2' })] })),
        update: () => store.connections.update(lost, 'shop', { cursor: 5 }),
        markPublished: () => store.events.markPublished(lost, 'shop', [event.n]),
        reschedule: () => store.follows.reschedule(lost, [{ ...follow, next: NOW + 1000 }]),
        set: () => store.offsets.set('g', 0, 5, lost),
        queued: () => store.replays.queued(replay?.n ?? 0, { partition: 0, partitions: 1, lease: lost }),
        postpone: () =>
          store.orders.postpone(lost, 'shop', [{ orderId: '7', userId: null, recheckAt: NOW, next: NOW + 1000 }]),
      }[method]
      await expect(write?.()).rejects.toMatchObject({ code: 'store.lease_lost', intent: 'stop' })

      expect(await store.orders.get('shop', '1')).toBeNull()
      expect(await store.events.count({})).toBe(1)
      expect(await store.offsets.get('g', 0)).toBeNull()
      expect(await store.replays.pending()).toEqual([replay])
      expect(await store.connections.get('shop')).toMatchObject({ cursor: null })
      expect(await store.events.unpublished('shop', 5)).toHaveLength(1)
      expect(await store.follows.due('shop', NOW, 5)).toEqual([follow])
      expect(await store.orders.due('shop', NOW, 5)).toMatchObject([{ orderId: '7', recheckAt: NOW }])
    })
  })
}
