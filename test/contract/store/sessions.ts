import { describe, expect, test } from 'vitest'
import type { SessionRow } from '../../../src/store/port/sessions.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { leaseOf, NOW, remember, type World } from './world.ts'

const row = (own: Partial<SessionRow> = {}): SessionRow => ({
  digest: 'd-1',
  keyDigest: 'k',
  endpoint: null,
  may: [],
  createdAt: NOW,
  seenAt: NOW,
  expiresAt: NOW + 1000,
  ...own,
})

export function sessionContract(world: World): void {
  describe('sessions', () => {
    test('are found by their digest, over a restart, and are gone once removed', async () => {
      const subscriber = row({ digest: 'd-2', keyDigest: null, endpoint: 'billing', may: ['test', 'replay'] })
      await world.store.sessions.insert(row())
      await world.store.sessions.insert(subscriber)
      await world.reopen()
      const { sessions } = world.store
      expect(await sessions.get('d-1')).toEqual(row())
      expect(await sessions.get('d-2')).toEqual(subscriber)
      expect(await sessions.get('d-3')).toBeNull()
      expect(await Promise.all([1, 2, 3].map(() => sessions.remove('d-1')))).toHaveLength(3)
      expect(await sessions.remove('d-1')).toBe(false)
      expect(await sessions.get('d-1')).toBeNull()
    })

    test('of many who open one link, one does', async () => {
      await world.store.sessions.insert(row())
      const answers = await Promise.all(Array.from({ length: 8 }, () => world.store.sessions.remove('d-1')))
      expect(answers.filter(Boolean)).toHaveLength(1)
    })

    test('the time of the last use only goes forward', async () => {
      const { sessions } = world.store
      await sessions.insert(row())
      await sessions.seen('d-1', NOW + 5)
      await sessions.seen('d-1', NOW + 3)
      expect((await sessions.get('d-1'))?.seenAt).toBe(NOW + 5)
    })

    test('those that ended are removed, and those of an endpoint on request', async () => {
      const { sessions } = world.store
      await sessions.insert(row())
      await sessions.insert(row({ digest: 'late', expiresAt: NOW + 5000 }))
      await sessions.insert(row({ digest: 'theirs', expiresAt: NOW + 5000, endpoint: 'billing' }))
      await sessions.prune(NOW + 2000)
      await sessions.removeOf('billing')
      const left = await Promise.all(['d-1', 'late', 'theirs'].map(digest => sessions.get(digest)))
      expect(left.map(session => session?.digest ?? null)).toEqual([null, 'late', null])
    })
  })

  describe('numbers for the console', () => {
    test('events are counted by span of time and type', async () => {
      const minute = Math.floor(NOW / 60_000) * 60_000
      const at = (observedAt: number, orderId: string) => eventRecord({ orderId, observedAt })
      const events = [at(minute, 'a'), at(minute + 59_999, 'b'), at(minute + 60_000, 'c'), at(minute + 180_000, 'd')]
      await remember(world.store, events)
      const type = events[0]?.type
      expect(await world.store.events.rates({ since: minute, until: minute + 180_000, bucketMs: 60_000 })).toEqual([
        { at: minute, type, count: 2 },
        { at: minute + 60_000, type, count: 1 },
      ])
    })

    test('quarantine is grouped by connection, path and reason, the largest group first', async () => {
      const { store } = world
      await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
      const entries = (reason: string) => [{ path: 'total', value: 'x', reason }]
      const quarantine = [
        { orderId: 'a', entries: entries('odd'), at: NOW },
        { orderId: 'b', entries: entries('odd'), at: NOW + 5 },
        { orderId: 'c', entries: entries('other'), at: NOW },
      ]
      await store.orders.commit(await leaseOf(store), {
        connection: 'shop',
        orders: [],
        events: [],
        published: false,
        quarantine,
      })
      const group = { connection: 'shop', path: 'total' }
      expect(await store.quarantine.groups(10)).toEqual([
        { ...group, reason: 'odd', count: 2, firstAt: NOW, lastAt: NOW + 5 },
        { ...group, reason: 'other', count: 1, firstAt: NOW, lastAt: NOW },
      ])
      expect(await store.quarantine.groups(1)).toHaveLength(1)
    })
  })
}
