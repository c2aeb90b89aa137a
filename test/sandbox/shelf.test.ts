import { describe, expect, test } from 'vitest'
import { createFaults, merge } from '../../src/sandbox/faults.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createShelf, type Entry } from '../../src/sandbox/shelf.ts'

const entry = (id: string, updatedAt: number, more: Partial<Entry> = {}): Entry => ({
  id,
  updatedAt,
  json: `{"id":"${id}"}`,
  otherJson: `{"id":"${id}"}`,
  createdAt: null,
  placedAt: null,
  words: {},
  owner: null,
  ...more,
})

describe('the shelf', () => {
  test('finds what was updated within a window, closed at both ends, oldest first', () => {
    const shelf = createShelf()
    for (const [id, at] of [
      ['c', 30],
      ['a', 10],
      ['d', 40],
      ['b', 20],
    ] as const)
      shelf.put(entry(id, at))

    expect(shelf.window(20, 30).map(({ id }) => id)).toEqual(['b', 'c'])
    expect(shelf.window(41, 99)).toEqual([])
    expect(shelf.window(0, Infinity).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
  })

  test('shows a changed order once, at its new time', () => {
    const shelf = createShelf()
    for (let round = 0; round < 50; round += 1)
      for (const id of ['a', 'b', 'c']) shelf.put(entry(id, round * 10 + id.charCodeAt(0)))

    expect(shelf.window(0, Infinity).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(shelf.size()).toBe(3)
  })

  test('agrees with a plain list, whatever is put and removed', () => {
    const random = createRandom(7)
    const shelf = createShelf()
    const plain = new Map<string, number>()
    for (let step = 0; step < 3000; step += 1) {
      const id = `o${random.between(0, 60)}`
      if (random.chance(0.1)) {
        shelf.remove(id)
        plain.delete(id)
      } else {
        const at = random.between(0, 500)
        shelf.put(entry(id, at))
        plain.set(id, at)
      }
      if (step % 37 !== 0) continue
      const [from, to] = [random.between(0, 250), random.between(250, 500)]
      const expected = [...plain].filter(([, at]) => at >= from && at <= to).map(([id]) => id)
      expect(
        shelf
          .window(from, to)
          .map(({ id }) => id)
          .sort(),
      ).toEqual(expected.sort())
    }
  })

  test("lists a buyer's orders in the order they came, and follows one that changes hands", () => {
    const shelf = createShelf()
    shelf.put(entry('a', 1, { owner: 'x' }))
    shelf.put(entry('b', 2, { owner: 'x' }))
    shelf.put(entry('a', 3, { owner: 'x' }))
    expect(shelf.ofOwner('x').map(({ id }) => id)).toEqual(['a', 'b'])

    shelf.put(entry('a', 4, { owner: 'y' }))
    shelf.remove('b')
    expect(shelf.ofOwner('x')).toEqual([])
    expect(shelf.ofOwner('y').map(({ id }) => id)).toEqual(['a'])
  })
})

test('faults meet the requests they are meant for, as often as they are meant to', () => {
  const faults = createFaults()
  faults.add({ match: '/orders', after: 1, times: 2, status: 500 })
  expect(
    ['GET /other', 'GET /orders', 'GET /orders', 'GET /orders?x=1', 'GET /orders'].map(r => faults.meet(r)?.status),
  ).toEqual([undefined, undefined, 500, 500, undefined])
  expect(faults.waiting()).toBe(0)
})

test('laying an answer over another replaces members, and lists as a whole', () => {
  expect(merge({ data: { list: [1], total: 3 }, code: 1 }, { data: { list: null } })).toEqual({
    data: { list: null, total: 3 },
    code: 1,
  })
})

test('the same seed tells the same story', () => {
  const story = (seed: number): number[] => {
    const random = createRandom(seed)
    return Array.from({ length: 20 }, () => random.between(1, 1000))
  }
  expect(story(5)).toEqual(story(5))
  expect(story(5)).not.toEqual(story(6))
  for (const number of story(5)) expect(number).toBeGreaterThanOrEqual(1)
})
