import { expect, test } from 'vitest'
import { createLatestAttempts } from '../../src/api/latest-attempts.ts'
import type { AttemptInShort, DeliveryStore } from '../../src/store/port/deliveries.ts'

/** Attempts in memory, and how many rows were read. */
function attemptsOf(rows: AttemptInShort[] = []) {
  const world = {
    rows,
    read: 0,
    add: (destination: string, delivered: boolean, own: Partial<AttemptInShort> = {}) => {
      const n = own.n ?? rows.length + 1
      rows.push({ n, destination, delivered, at: n * 1000, ms: n, error: delivered ? null : `error ${n}`, ...own })
    },
  }
  const given = (found: AttemptInShort[]) => {
    world.read += found.length
    return found
  }
  const newestFirst = () => rows.toSorted((a, b) => b.n - a.n)
  const deliveries: Pick<DeliveryStore, 'last' | 'latest' | 'behind'> = {
    last: async () => newestFirst()[0]?.n ?? 0,
    latest: async (destination, limit, before = Number.MAX_SAFE_INTEGER) =>
      given(
        newestFirst()
          .filter(row => row.destination === destination && row.n < before)
          .slice(0, limit),
      ),
    behind: async (n, limit) =>
      given(
        newestFirst()
          .toReversed()
          .filter(row => row.n > n)
          .slice(0, limit),
      ),
  }
  const latest = createLatestAttempts({ deliveries })
  return { world, latest, of: async (id: string) => (await latest.of([id])).get(id) }
}

test('success rate and latencies are of the latest 200 attempts, read once and kept up by what is new', async () => {
  const { world, of } = attemptsOf()
  for (let count = 0; count < 100; count++) world.add('billing', false, { ms: 9999 })
  for (let count = 1; count <= 200; count++) world.add('billing', count <= 180, { ms: count })
  expect(await of('billing')).toEqual({
    ...{ successRate: 0.9, p50: 100, p99: 198, lastError: 'error 300', failuresInRow: 20 },
    ...{ failingSince: 281_000, lastSuccessAt: 280_000 },
  })
  world.add('billing', true, { ms: 5 })
  expect(await of('billing')).toMatchObject({
    lastError: null,
    failingSince: null,
    failuresInRow: 0,
    lastSuccessAt: 301_000,
  })
  world.add('billing', false, { ms: 5 })
  world.add('search', true)
  expect(await of('billing')).toMatchObject({ lastError: 'error 302', failingSince: 302_000, failuresInRow: 1 })
  expect((await of('billing'))?.successRate).toBe(179 / 200)
  expect(await of('search')).toMatchObject({ successRate: 1, lastError: null })
  expect(await of('none')).toBeUndefined()
})

test('what was read is not read again', async () => {
  const { world, of } = attemptsOf()
  for (let count = 0; count < 5_000; count++) world.add(`e${count % 10}`, true)
  for (let id = 0; id < 10; id++) await of(`e${id}`)
  world.read = 0
  world.add('e3', true)
  await of('e3')
  expect(world.read).toBeLessThan(300)
})

test('a destination that only fails has failed since its first attempt behind the last success, however long ago', async () => {
  const { world, of } = attemptsOf()
  world.add('billing', true)
  for (let count = 0; count < 3_000; count++) world.add('billing', false)
  expect(await of('billing')).toMatchObject({
    failingSince: 2_000,
    lastSuccessAt: 1_000,
    failuresInRow: 200,
    successRate: 0,
  })
  world.add('billing', false)
  expect(await of('billing')).toMatchObject({ failingSince: 2_000, lastSuccessAt: 1_000 })
})

test('the last success is looked for among the latest 20,000 attempts only', async () => {
  const { world, of } = attemptsOf()
  world.add('billing', true)
  for (let count = 0; count < 25_000; count++) world.add('billing', false)
  expect((await of('billing'))?.lastSuccessAt).toBeNull()
  expect(world.read).toBeLessThan(21_000)
})

test('an attempt that becomes visible after a later one counts once', async () => {
  const { world, of } = attemptsOf()
  world.add('billing', true, { n: 1 })
  world.add('billing', true, { n: 3 })
  await of('billing')
  world.add('billing', false, { n: 2 })
  for (let look = 0; look < 3; look++)
    expect(await of('billing')).toMatchObject({ successRate: 2 / 3, lastError: null, failingSince: null })
})

test('where much has happened since the last look, the latest attempts are read anew', async () => {
  const { world, of } = attemptsOf()
  world.add('billing', true)
  await of('billing')
  world.read = 0
  for (let count = 0; count < 300; count++) world.add('billing', false, { n: 60_000 + count })
  expect(await of('billing')).toMatchObject({ successRate: 0, failingSince: 60_000_000, lastSuccessAt: 1_000 })
  expect(world.read).toBeLessThan(1_000)
})

test('an endpoint that was removed leaves nothing to one of its name', async () => {
  const { world, latest, of } = attemptsOf()
  world.add('billing', false)
  await of('billing')
  world.rows.length = 0
  latest.forget('billing')
  expect(await of('billing')).toBeUndefined()
})
