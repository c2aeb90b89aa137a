import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/dispatch/destination.ts'
import { createRig, event, eventsOfOrders, outcome } from './rig.ts'

/** Answers when told to, or `aborted` when its signal aborts. */
function held() {
  const waiting: ((answer: Outcome) => void)[] = []
  return {
    answer: (result: Outcome['result']) => {
      for (const resolve of waiting.splice(0)) resolve(outcome(result))
    },
    script: (_: unknown, signal: AbortSignal) =>
      new Promise<Outcome>(resolve => {
        waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(outcome('aborted')), { once: true })
      }),
  }
}

describe('a revoke', () => {
  test('waits for deliveries in flight, commits them, and sends nothing more of these partitions', async () => {
    const rig = createRig({ embedded: false, partitions: 2 })
    const { script, answer } = held()
    rig.destination('hook', script)
    await rig.start()
    const orders = Array.from({ length: 8 }, (_, index) => `o${index}`)
    await rig.publish(...eventsOfOrders(orders, 2))
    await rig.clock.flush()
    const of = (partition: number) => orders.filter(order => rig.log.partitionOf(`shop/${order}`) === partition)
    const revoked = rig.log.revoke([0])
    await rig.clock.advance(1_000)
    answer('delivered')
    await rig.clock.advance(100)
    await revoked
    const before = rig.sends.length
    answer('delivered')
    await rig.clock.advance(10_000)
    expect(rig.sends.slice(before).filter(send => of(0).includes(send.event.orderId))).toEqual([])
    expect(rig.log.settled(0)).toBeGreaterThan(0)
    expect(rig.log.settled(0)).toBe(of(0).length * 2)
    expect(rig.store.rows('hook').length).toBeGreaterThan(0)
    expect(rig.log.settled(1)).toBe(of(1).length * 2)
    await rig.log.assign([0])
    for (let round = 0; round < 4; round++) {
      await rig.clock.advance(100)
      answer('delivered')
    }
    await rig.clock.until(rig.quiet)
    expect(rig.violations).toEqual([])
  })

  test('ends within 10 s although a delivery hangs, and the next owner sends its event again', async () => {
    const rig = createRig({ embedded: false })
    const { script, answer } = held()
    rig.destination('hook', script)
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.flush()
    const begin = rig.clock.now()
    let ended = false
    void rig.log.revoke([0]).then(() => {
      ended = true
    })
    await rig.clock.until(() => ended, 10_000)
    expect(rig.clock.now() - begin).toBeLessThan(10_000)
    expect(rig.log.settled()).toBe(2)
    expect(rig.store.rows('hook')).toMatchObject([{ orderKey: 'shop/a', attempt: 0 }])
    await rig.clock.advance(1_000)
    expect(rig.store.attempts).toEqual([])
    await rig.log.assign([0])
    await rig.clock.flush()
    answer('delivered')
    await rig.clock.flush()
    answer('delivered')
    await rig.clock.until(rig.quiet)
    expect(rig.sends.map(send => [send.event.sequence, send.attempt])).toEqual([
      [1, 1],
      [1, 1],
      [2, 1],
    ])
  })

  test('ends although a destination ignores its signal, and its late answer changes nothing', async () => {
    const rig = createRig({ embedded: false })
    const answers: ((answer: Outcome) => void)[] = []
    rig.destination('deaf', () => new Promise<Outcome>(resolve => answers.push(resolve)))
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.flush()
    let ended = false
    void rig.log.revoke([0]).then(() => {
      ended = true
    })
    await rig.clock.until(() => ended, 10_000)
    answers[0]?.(outcome('delivered'))
    await rig.clock.advance(1_000)
    expect(rig.log.settled()).toBe(2)
    expect(rig.store.rows('deaf')).toMatchObject([{ orderKey: 'shop/a', attempt: 0 }])
    expect(rig.sends).toHaveLength(1)
  })

  test('hands over lanes of the backlog: only the owner of a partition delivers them', async () => {
    const rig = createRig({ embedded: false, partitions: 2, delivery: { retries: [1_000] } })
    rig.destination('hook', ({ attempt }) => outcome(attempt === 1 ? 'retry' : 'delivered'))
    await rig.start()
    const orders = Array.from({ length: 8 }, (_, index) => `o${index}`)
    const zero = orders.filter(order => rig.log.partitionOf(`shop/${order}`) === 0)
    await rig.publish(...eventsOfOrders(orders, 1))
    await rig.clock.advance(100)
    await rig.log.revoke([0])
    await rig.clock.advance(60_000)
    const waiting = rig.store.rows('hook').map(row => row.orderKey)
    expect(waiting.toSorted()).toEqual(zero.map(order => `shop/${order}`).toSorted())
    await rig.log.assign([0])
    await rig.clock.until(rig.quiet)
    expect(rig.violations).toEqual([])
  })
})

describe('a stop', () => {
  test('lets deliveries in flight finish, commits them, and begins none', async () => {
    const rig = createRig()
    rig.destination('hook', async () => {
      await rig.clock.sleep(3_000)
      return outcome('delivered')
    })
    const dispatcher = await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.flush()
    let stopped = false
    void dispatcher.stop(8_000).then(() => {
      stopped = true
    })
    await rig.clock.until(() => stopped, 8_000)
    expect(rig.trace('hook')).toEqual(['a:1'])
    expect(rig.log.settled()).toBe(2)
    expect(rig.store.rows('hook')).toMatchObject([{ orderKey: 'shop/a' }])
    expect(rig.store.attempts).toHaveLength(1)
    await rig.start()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:2'])
  })

  test('aborts hanging deliveries after the grace, within 10 s, and the events are tried again with no attempt counted', async () => {
    const rig = createRig()
    const { script } = held()
    rig.destination('hook', script)
    const dispatcher = await rig.start()
    await rig.publish(event('a'))
    await rig.clock.flush()
    const begin = rig.clock.now()
    let stopped = false
    void dispatcher.stop(8_000).then(() => {
      stopped = true
    })
    await rig.clock.until(() => stopped, 10_000)
    expect(rig.clock.now() - begin).toBeGreaterThanOrEqual(8_000)
    expect(rig.store.attempts).toEqual([])
    expect(rig.log.settled()).toBe(1)
    expect(rig.store.rows('hook')).toMatchObject([{ orderKey: 'shop/a', attempt: 0 }])
    rig.destination('hook')
    await rig.start()
    await rig.clock.until(rig.quiet)
    expect(rig.sends.at(-1)).toMatchObject({ attempt: 1 })
  })

  test('while one destination hangs repeats nothing at the others', async () => {
    const rig = createRig()
    const { script } = held()
    rig.destination('hangs', script)
    rig.destination('well')
    const dispatcher = await rig.start()
    await rig.publish(event('a', 1), event('b', 1), event('c', 1))
    await rig.clock.flush()
    let stopped = false
    void dispatcher.stop(8_000).then(() => {
      stopped = true
    })
    await rig.clock.until(() => stopped, 10_000)
    rig.destination('hangs')
    await rig.start()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('well')).toEqual(['a:1', 'b:1', 'c:1'])
    expect(rig.violations).toEqual([])
  })

  test('with a delivery of the backlog in flight leaves it in the backlog', async () => {
    const rig = createRig({ delivery: { retries: [1_000, 1_000] } })
    const { script } = held()
    let hang = false
    rig.destination('hook', (send, signal) => (hang ? script(send, signal) : outcome('retry')))
    const dispatcher = await rig.start()
    await rig.publish(event('a'))
    await rig.clock.advance(500)
    hang = true
    await rig.clock.advance(1_000)
    expect(rig.sends).toHaveLength(2)
    let stopped = false
    void dispatcher.stop(8_000).then(() => {
      stopped = true
    })
    await rig.clock.until(() => stopped, 10_000)
    expect(rig.store.rows('hook')).toMatchObject([{ orderKey: 'shop/a', attempt: 1 }])
  })

  test('can be followed by a start of the same dispatcher', async () => {
    const rig = createRig()
    rig.destination('hook')
    const dispatcher = await rig.start()
    await rig.publish(event('a', 1))
    await rig.clock.flush()
    const stopped = dispatcher.stop(100)
    await rig.clock.advance(3_000)
    await stopped
    expect(dispatcher.health()).toContain('not running')
    await rig.publish(event('a', 2))
    await dispatcher.start()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:2'])
    expect(dispatcher.health()).toBeNull()
  })

  test('during a failing store ends all the same', async () => {
    const rig = createRig()
    rig.destination('hook', () => outcome('retry'))
    const dispatcher = await rig.start()
    rig.store.trouble = () => new Promise(() => {})
    await rig.publish(event('a'))
    await rig.clock.advance(100)
    let stopped = false
    void dispatcher.stop(1_000).then(() => {
      stopped = true
    })
    await rig.clock.until(() => stopped, 10_000)
    expect(rig.log.settled()).toBe(0)
  })
})
