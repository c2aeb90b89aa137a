import { expect, test } from 'vitest'
import { createListeners } from '../../src/lib/listeners.ts'

test('listeners are all called, until they stop', () => {
  const called: string[] = []
  const listeners = createListeners()
  const stop = listeners.listen(() => void called.push('one'))
  listeners.listen(() => void called.push('two'))
  listeners.tell()
  stop()
  listeners.tell()
  expect(called).toEqual(['one', 'two', 'two'])
})
