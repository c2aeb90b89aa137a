import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { onAbort } from '../../src/lib/on-abort.ts'

describe('what waits for a signal to abort', () => {
  test('is called once, unless it was forgotten, behind one listener for all', () => {
    const controller = new AbortController()
    const { signal } = controller
    const called: string[] = []
    onAbort(signal, () => called.push('first'))
    const forget = onAbort(signal, () => called.push('forgotten'))
    onAbort(signal, () => called.push('last'))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    forget()
    controller.abort()
    expect(called).toEqual(['first', 'last'])
  })

  test('leaves no listener when all of it is forgotten, and may come again', () => {
    const controller = new AbortController()
    const { signal } = controller
    const forgets = [onAbort(signal, () => {}), onAbort(signal, () => {})]
    for (const forget of forgets) forget()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    let called = 0
    onAbort(signal, () => called++)
    // A forgotten one that is forgotten again takes nothing from those that came later.
    for (const forget of forgets) forget()
    controller.abort()
    expect(called).toBe(1)
  })
})
