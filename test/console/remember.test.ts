import { expect, test } from 'vitest'
import { remember } from '../../src/console/remember.ts'

/** A clock that a test moves, and answers that a test gives. */
function createScene() {
  let now = 0
  const asked: ((value: number) => void)[] = []
  const { get, forget } = remember(() => new Promise<number>(resolve => asked.push(resolve)), 2_000, {
    monotonic: () => now,
  })
  return {
    asked,
    get,
    forget,
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('an answer is asked for once by many, and again when it is not fresh any more', async () => {
  const { asked, get, pass } = createScene()
  const first = [get(), get()]
  asked[0]?.(1)
  expect(await Promise.all(first)).toEqual([1, 1])
  pass(1_999)
  expect(await get()).toBe(1)
  pass(1)
  const second = get()
  asked[1]?.(2)
  expect(await second).toBe(2)
  expect(asked).toHaveLength(2)
})

test('an answer is good for longer the more it cost, and one that took long is shown while it is asked for anew, but not for ever', async () => {
  const { asked, get, pass } = createScene()
  const first = get()
  pass(900)
  asked[0]?.(1)
  await first
  pass(9_000)
  expect(await get()).toBe(1)
  expect(asked).toHaveLength(1)
  pass(2_000)
  expect(await get()).toBe(1)
  expect(await get()).toBe(1)
  expect(asked).toHaveLength(2)
  asked[1]?.(2)
  await Promise.resolve()
  pass(40_000)
  const late = get()
  asked[2]?.(3)
  expect(await late).toBe(3)
})

test('what was forgotten is asked for anew, and an answer that comes late does not bring it back', async () => {
  const { asked, get, forget } = createScene()
  const old = get()
  forget()
  const fresh = get()
  asked[0]?.(1)
  asked[1]?.(2)
  expect(await Promise.all([old, fresh])).toEqual([1, 2])
  expect(await get()).toBe(2)
})

test('a failure is not kept', async () => {
  let fail = true
  const { get } = remember(async () => (fail ? Promise.reject(new Error('away')) : 1), 2_000, { monotonic: () => 0 })
  await expect(get()).rejects.toThrow('away')
  fail = false
  expect(await get()).toBe(1)
})
