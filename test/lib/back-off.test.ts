import { expect, test } from 'vitest'
import { createBackOff, doubled, pauseAfter } from '../../src/lib/back-off.ts'

const PAUSES = { firstMs: 100, longestMs: 500 }

test('a back-off doubles its pause up to the longest, and begins again after a reset', () => {
  const backOff = createBackOff(PAUSES)
  expect([backOff.next(), backOff.next(), backOff.next(), backOff.next(), backOff.next()]).toEqual([
    100, 200, 400, 500, 500,
  ])
  backOff.reset()
  expect([backOff.next(), backOff.next()]).toEqual([100, 200])
})

test('the pause after a number of failures is the one that the back-off gives for the last of them', () => {
  const backOff = createBackOff(PAUSES)
  for (let failures = 1; failures <= 5; failures++) expect(pauseAfter(failures, PAUSES)).toBe(backOff.next())
})

test('the pause after any number of failures is a number no longer than the longest', () => {
  expect(pauseAfter(1_000_000, PAUSES)).toBe(500)
  expect(doubled(400, 500)).toBe(500)
})
