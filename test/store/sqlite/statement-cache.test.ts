import { expect, test } from 'vitest'
import { createStatementCache } from '../../../src/store/sqlite/statement-cache.ts'

test('a statement is prepared once while it is in use, and what is used least is forgotten first', () => {
  const prepared: string[] = []
  const cache = createStatementCache(2, text => {
    prepared.push(text)
    return { text }
  })
  const a = cache.get('a')
  cache.get('b')
  expect(cache.get('a')).toBe(a)
  cache.get('c')
  expect(cache.get('a')).toBe(a)
  cache.get('b')
  expect(prepared).toEqual(['a', 'b', 'c', 'b'])
})
