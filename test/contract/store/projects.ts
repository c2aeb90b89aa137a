import { describe, expect, test } from 'vitest'
import { NOW, type World } from './world.ts'

export function projectContract(world: World): void {
  describe('vendor projects', () => {
    test('a token is replaced only by whoever knows its version, and each project has its own', async () => {
      const { projects } = world.store
      expect(await projects.token('a')).toBeNull()
      expect(await projects.putToken('a', 'sealed-1', 0)).toBe(true)
      expect(await projects.putToken('a', 'late', 0)).toBe(false)
      expect(await projects.token('a')).toEqual({ sealed: 'sealed-1', version: 1 })
      expect(await projects.putToken('a', 'sealed-2', 1)).toBe(true)
      expect(await projects.putToken('b', 'other', 0)).toBe(true)
      await world.reopen()
      expect(await world.store.projects.token('a')).toEqual({ sealed: 'sealed-2', version: 2 })
    })

    test('of many who replace one version at the same time, one does', async () => {
      const { projects } = world.store
      await projects.putToken('a', 'first', 0)
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => projects.putToken('a', `by ${i}`, 1)))
      expect(answers.filter(Boolean)).toHaveLength(1)
    })

    test('requests are booked one after another, whoever books them, with a burst at first', async () => {
      const { projects } = world.store
      const pace = { intervalMs: 60_000, burst: 2 }
      const waits = await Promise.all(Array.from({ length: 5 }, () => projects.book('a', pace, NOW)))
      const rounded = waits.map(ms => Math.round(ms / 60_000)).sort()
      expect(rounded).toEqual([0, 0, 1, 2, 3])
      expect(await projects.book('b', pace, NOW)).toBe(0)
    })

    test('booking keeps the token, and the first token may come after it', async () => {
      const { projects } = world.store
      await projects.book('a', { intervalMs: 200, burst: 1 }, NOW)
      expect(await projects.token('a')).toBeNull()
      expect(await projects.putToken('a', 'sealed', 0)).toBe(true)
      await projects.book('a', { intervalMs: 200, burst: 1 }, NOW)
      expect(await projects.token('a')).toEqual({ sealed: 'sealed', version: 1 })
    })
  })
}
