import { describe, expect, test } from 'vitest'
import type { KeyRow } from '../../../src/store/port/keys.ts'
import { leaseOf, NOW, type World } from './world.ts'

/** What processes tell each other through the store, and who may ask them: poll requests, inbound webhooks, API keys. */
export function requestContract(world: World): void {
  const put = (id: string, connection = 'shop', askedAt = NOW, forgetBefore = NOW - 1000) =>
    world.store.pollRequests.put({ id, connection, request: '{}', askedAt }, forgetBefore)

  describe('poll requests', () => {
    test('one is taken up by whoever works its connection, and by nobody else', async () => {
      const { pollRequests } = world.store
      await put('a')
      await put('b', 'kk')
      expect(await pollRequests.take([], NOW)).toEqual([])
      expect(await pollRequests.take(['other'], NOW)).toEqual([])
      const taken = await pollRequests.take(['shop', 'other'], NOW + 5)
      expect(taken).toEqual([{ id: 'a', connection: 'shop', request: '{}', askedAt: NOW, answer: null }])
      expect(await pollRequests.take(['shop'], NOW)).toEqual([])
    })

    test('of many who look at the same time one gets it', async () => {
      const { pollRequests } = world.store
      await put('a')
      const looks = await Promise.all(Array.from({ length: 10 }, () => pollRequests.take(['shop'], NOW)))
      expect(looks.flat()).toHaveLength(1)
    })

    test('the oldest comes first', async () => {
      await put('late', 'shop', NOW + 2)
      await put('early', 'shop', NOW + 1)
      expect((await world.store.pollRequests.take(['shop'], NOW)).map(({ id }) => id)).toEqual(['early', 'late'])
    })

    test('an answer waits for its asker', async () => {
      const { pollRequests } = world.store
      await put('a')
      await pollRequests.take(['shop'], NOW)
      await pollRequests.answer('a', '{"b":"c\\u0000"}')
      expect(await pollRequests.get('a')).toMatchObject({ answer: '{"b":"c\\u0000"}' })
      expect([await pollRequests.remove('a'), await pollRequests.remove('a')]).toEqual([true, false])
      expect(await pollRequests.get('a')).toBeNull()
    })

    test('one that was taken up is not withdrawn, one that was not is', async () => {
      const { pollRequests } = world.store
      await put('a')
      await put('b', 'kk')
      await pollRequests.take(['shop'], NOW)
      expect(await pollRequests.remove('a', { untaken: true })).toBe(false)
      expect(await pollRequests.remove('b', { untaken: true })).toBe(true)
    })

    test('a request whose asker died is forgotten with a later one', async () => {
      await put('dead')
      await put('a', 'shop', NOW + 5000, NOW + 1)
      expect(await world.store.pollRequests.get('dead')).toBeNull()
      expect(await world.store.pollRequests.get('a')).not.toBeNull()
    })
  })

  describe('webhooks', () => {
    test('what polls find alone counts from the last webhook on, and not before the first', async () => {
      const { connections } = world.store
      await connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
      const lease = await leaseOf(world.store)
      const seen = async () => {
        const row = await connections.get('shop')
        return [row?.webhookAt, row?.unannounced, row?.unannouncedSince]
      }
      await connections.found(lease, 'shop', 3, NOW)
      expect(await seen()).toEqual([null, 0, null])
      await connections.heard('shop', NOW + 1)
      await connections.found(lease, 'shop', 3, NOW + 2)
      await connections.found(lease, 'shop', 4, NOW + 3)
      expect(await seen()).toEqual([NOW + 1, 7, NOW + 2])
      await connections.heard('shop', NOW + 4)
      expect(await seen()).toEqual([NOW + 4, 0, null])
    })

    test('configuring again keeps them', async () => {
      const { connections } = world.store
      await connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
      await connections.heard('shop', NOW)
      await connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'g' }])
      expect(await connections.get('shop')).toMatchObject({ webhookAt: NOW })
    })
  })

  describe('keys', () => {
    const key = (id: string, own: Partial<KeyRow> = {}): KeyRow => ({
      id,
      name: 'a report',
      role: 'read',
      digest: `digest of ${id}`,
      createdAt: NOW,
      lastUsedAt: null,
      ...own,
    })

    test('are listed oldest first, as they were made', async () => {
      const { keys } = world.store
      await keys.insert(key('b', { createdAt: NOW + 1, role: 'admin' }))
      await keys.insert(key('a', { name: 'naïve 😀' }))
      expect(await keys.list()).toEqual([
        key('a', { name: 'naïve 😀' }),
        key('b', { createdAt: NOW + 1, role: 'admin' }),
      ])
    })

    test('no two have the same digest', async () => {
      await world.store.keys.insert(key('a'))
      await expect(world.store.keys.insert(key('b', { digest: 'digest of a' }))).rejects.toThrow()
    })

    test('know when they were used last, whatever the clock of who tells', async () => {
      const { keys } = world.store
      await keys.insert(key('a'))
      await keys.used('a', NOW + 10)
      await keys.used('a', NOW + 5)
      expect(await keys.list()).toMatchObject([{ lastUsedAt: NOW + 10 }])
    })

    test('are removed for good', async () => {
      const { keys } = world.store
      await keys.insert(key('a'))
      expect([await keys.remove('a'), await keys.remove('a'), await keys.list()]).toEqual([true, false, []])
    })
  })
}
