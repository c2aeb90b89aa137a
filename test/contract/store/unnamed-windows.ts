import { describe, expect, test } from 'vitest'
import { leaseOf, NOW, type World } from './world.ts'

const window = { connection: 'shop', from: NOW - 9_000, to: NOW, tries: 0, nextAt: NOW + 60 }

export function unnamedWindowContract(world: World): void {
  describe('windows with rows without an order id', () => {
    test('are listed by connection, the next one first, over a restart', async () => {
      const { unnamedWindows } = world.store
      const lease = await leaseOf(world.store)
      await unnamedWindows.put(lease, window)
      await unnamedWindows.put(lease, { ...window, from: 1, nextAt: NOW + 5 })
      await unnamedWindows.put(lease, { ...window, connection: 'other' })
      await unnamedWindows.put(lease, { ...window, tries: 2, nextAt: NOW + 900 })
      await world.reopen()
      expect(await world.store.unnamedWindows.list('shop')).toEqual([
        { ...window, from: 1, nextAt: NOW + 5 },
        { ...window, tries: 2, nextAt: NOW + 900 },
      ])
    })

    test('a larger one takes the place of the one in it', async () => {
      const { unnamedWindows } = world.store
      const lease = await leaseOf(world.store)
      await unnamedWindows.put(lease, window)
      await unnamedWindows.put(lease, { ...window, to: NOW + 5_000 }, window)
      expect(await unnamedWindows.list('shop')).toEqual([{ ...window, to: NOW + 5_000 }])
      await unnamedWindows.remove(lease, { ...window, to: NOW + 5_000 })
      expect(await unnamedWindows.list('shop')).toEqual([])
    })

    test('are made due at once on request, all of one connection', async () => {
      const { unnamedWindows } = world.store
      const lease = await leaseOf(world.store)
      await unnamedWindows.put(lease, window)
      await unnamedWindows.put(lease, { ...window, connection: 'other' })
      expect(await unnamedWindows.makeDue('shop', NOW - 1)).toBe(1)
      expect(await unnamedWindows.makeDue('third', NOW - 1)).toBe(0)
      expect((await unnamedWindows.list('shop')).map(({ nextAt }) => nextAt)).toEqual([NOW - 1])
      expect((await unnamedWindows.list('other')).map(({ nextAt }) => nextAt)).toEqual([NOW + 60])
    })

    test('are written by the holder of the lease only', async () => {
      const { unnamedWindows } = world.store
      const lease = await leaseOf(world.store)
      const stale = { ...lease, epoch: lease.epoch - 1 }
      await expect(unnamedWindows.put(stale, window)).rejects.toMatchObject({ code: 'store.lease_lost' })
      await unnamedWindows.put(lease, window)
      await expect(unnamedWindows.remove(stale, window)).rejects.toMatchObject({ code: 'store.lease_lost' })
      expect(await unnamedWindows.list('shop')).toHaveLength(1)
    })
  })
}
