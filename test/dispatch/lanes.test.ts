import { describe, expect, test } from 'vitest'
import { createRig, event, eventsOfOrders, outcome } from './rig.ts'

describe('lanes', () => {
  test('every event is delivered once to every destination that wants it, and its offset is committed', async () => {
    const rig = createRig()
    rig.destination('all')
    rig.destination('refunds', undefined, { types: ['order.refunded'] })
    rig.destination('other-shop', undefined, { connections: ['other'] })
    await rig.start()
    await rig.publish(event('a', 1), event('b', 1), event('a', 2, 'order.refunded'))
    await rig.clock.until(rig.quiet)
    expect(rig.trace('all').sort()).toEqual(['a:1', 'a:2', 'b:1'])
    expect(rig.trace('refunds')).toEqual(['a:2'])
    expect(rig.trace('other-shop')).toEqual([])
    expect(rig.log.settled()).toBe(3)
    expect(rig.store.rows('all')).toEqual([])
  })

  test('an event that fails is tried again after the pause, with its attempt counted, and later ones of its order wait', async () => {
    const rig = createRig({ delivery: { retries: [5_000, 60_000] } })
    rig.destination('hook', ({ event, attempt }) =>
      event.sequence === 1 && attempt < 3 ? outcome('retry') : outcome('delivered'),
    )
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(event('a', 1), event('a', 2), event('b', 1), event('a', 3))
    await rig.clock.until(rig.quiet, 120_000)
    const ofA = rig.sends.filter(send => send.event.orderId === 'a')
    expect(ofA.map(send => [send.event.sequence, send.attempt])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [3, 1],
    ])
    const at = ofA.map(send => send.at - begin)
    expect(at[1]).toBeGreaterThanOrEqual(5_000)
    expect(at[1]).toBeLessThan(5_100)
    expect((at[2] ?? 0) - (at[1] ?? 0)).toBeGreaterThanOrEqual(60_000)
    expect(rig.sends.find(send => send.event.orderId === 'b')?.at).toBe(begin)
    expect(rig.violations).toEqual([])
  })

  test('retries are spread by a fifth around the pause', async () => {
    for (const [random, pause] of [
      [0, 8_000],
      [1, 12_000],
    ] as const) {
      const rig = createRig({ delivery: { retries: [10_000] }, random: () => random })
      rig.destination('hook', ({ attempt }) => outcome(attempt === 1 ? 'retry' : 'delivered'))
      await rig.start()
      await rig.publish(event('a'))
      await rig.clock.until(rig.quiet)
      const [first, second] = rig.sends
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(pause)
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeLessThan(pause + 50)
    }
  })

  test('an offset is committable when the failed event is in the backlog, not when it is delivered', async () => {
    const rig = createRig()
    rig.destination('hook', () => outcome('retry'))
    await rig.start()
    await rig.publish(event('a', 1), event('b', 1))
    await rig.clock.advance(100)
    expect(rig.log.settled()).toBe(2)
    expect(rig.store.waiting('hook', 'shop/a')).toEqual([event('a', 1).id])
  })

  test('an offset is not committable while an earlier event is in flight', async () => {
    const rig = createRig()
    const { promise, resolve } = Promise.withResolvers<void>()
    rig.destination('hook', async ({ event }) => {
      if (event.orderId === 'slow') await promise
      return outcome('delivered')
    })
    await rig.start()
    await rig.publish(event('a'), event('slow'), event('b'), event('c'))
    await rig.clock.advance(1_000)
    expect(rig.trace('hook')).toEqual(['a:1', 'slow:1', 'b:1', 'c:1'])
    expect(rig.log.settled()).toBe(1)
    resolve()
    await rig.clock.flush()
    expect(rig.log.settled()).toBe(4)
  })

  test('a destination that fails or hangs delays no other destination', async () => {
    const rig = createRig()
    rig.destination('dead', () => outcome('retry'), { kind: 'endpoint' })
    rig.destination('hanging', () => new Promise(() => {}), { kind: 'endpoint' })
    rig.destination('fine')
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd', 'e'], 600))
    await rig.clock.until(() => rig.trace('fine').length === 3_000, 2_000)
    expect(rig.clock.now() - begin).toBeLessThan(2_000)
    expect(rig.violations).toEqual([])
  })

  test('an order that always fails delays no other order, even where nothing else fails or succeeds', async () => {
    const rig = createRig({ delivery: { retries: Array(40).fill(1_000) } })
    rig.destination('hook', ({ event }) => outcome(event.orderId === 'poison' ? 'retry' : 'delivered'), {
      kind: 'endpoint',
    })
    await rig.start()
    await rig.publish(event('poison', 1), event('poison', 2))
    await rig.clock.advance(30_000)
    const before = rig.clock.now()
    await rig.publish(event('good'))
    await rig.clock.until(() => rig.trace('hook').includes('good:1'), 1_000)
    expect(rig.clock.now() - before).toBeLessThan(1_000)
  })

  test('a retry is not delayed by a delivery of another order that hangs', async () => {
    const rig = createRig({ delivery: { retries: [1_000, 2_000] } })
    rig.destination('hook', ({ event, attempt }) => {
      if (event.orderId === 'hangs' && attempt === 2) return new Promise(() => {})
      return outcome(attempt === 1 ? 'retry' : 'delivered')
    })
    await rig.start()
    await rig.publish(event('hangs'))
    await rig.clock.advance(500)
    await rig.publish(event('other'))
    await rig.clock.advance(1_100)
    expect(rig.trace('hook')).toEqual(['hangs:1', 'other:1', 'hangs:1', 'other:1'])
  })

  test('one dead endpoint among a hundred costs the others nothing', async () => {
    const rig = createRig()
    rig.destination('dead', () => outcome('retry'), { kind: 'endpoint' })
    for (let index = 0; index < 99; index++) rig.destination(`fine-${index}`, undefined, { kind: 'endpoint' })
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd'], 5))
    await rig.clock.until(() => rig.sends.filter(send => send.destination !== 'dead').length === 99 * 20, 1_000)
    expect(rig.clock.now() - begin).toBeLessThan(100)
    expect(rig.violations).toEqual([])
  })

  test('a full queue goes to the store and comes back, with nothing lost and nothing out of order', async () => {
    const rig = createRig({ batch: 500 })
    rig.destination(
      'slow',
      async () => {
        await rig.clock.sleep(50)
        return outcome('delivered')
      },
      { delivery: { concurrency: 50 } },
    )
    rig.destination('quick')
    await rig.start()
    const orders = Array.from({ length: 900 }, (_, index) => `o${index}`)
    await rig.publish(...eventsOfOrders(orders, 3))
    await rig.clock.until(() => rig.store.rows('slow').length > 0, 5_000)
    await rig.clock.until(rig.quiet, 60_000)
    expect(new Set(rig.trace('slow')).size).toBe(2_700)
    expect(rig.trace('slow')).toHaveLength(2_700)
    expect(rig.violations).toEqual([])
  })

  test('a burst for the only destination waits in the log instead of the backlog', async () => {
    const rig = createRig({ batch: 500 })
    rig.destination(
      'only',
      async () => {
        await rig.clock.sleep(5)
        return outcome('delivered')
      },
      { delivery: { concurrency: 50 } },
    )
    let spills = 0
    rig.store.trouble = call => {
      if (call === 'spill') spills++
    }
    await rig.start()
    await rig.publish(
      ...eventsOfOrders(
        Array.from({ length: 900 }, (_, index) => `o${index}`),
        4,
      ),
    )
    await rig.clock.until(rig.quiet, 60_000)
    expect(rig.trace('only')).toHaveLength(3_600)
    expect(spills).toBe(0)
  })

  test('at most `concurrency` deliveries of a destination are in flight, live events and backlog together', async () => {
    const rig = createRig({ delivery: { concurrency: 3, retries: [100] } })
    let now = 0
    let most = 0
    rig.destination('hook', async ({ attempt }) => {
      most = Math.max(most, ++now)
      await rig.clock.sleep(30)
      now--
      return outcome(attempt === 1 ? 'retry' : 'delivered')
    })
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 4))
    await rig.clock.until(rig.quiet, 60_000)
    expect(most).toBe(3)
    expect(rig.violations).toEqual([])
  })

  test('a destination gets its rate at most, and all events in the end', async () => {
    const rig = createRig()
    rig.destination('limited', undefined, { delivery: { rateLimit: { perSecond: 2, burst: 4 } } })
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(
      ...eventsOfOrders(
        Array.from({ length: 20 }, (_, i) => `o${i}`),
        1,
      ),
    )
    await rig.clock.advance(1_000)
    expect(rig.sends.length).toBeGreaterThanOrEqual(5)
    expect(rig.sends.length).toBeLessThanOrEqual(6)
    await rig.clock.until(rig.quiet, 20_000)
    expect(rig.clock.now() - begin).toBeGreaterThanOrEqual(7_900)
    expect(rig.clock.now() - begin).toBeLessThan(9_000)
  })

  test('a destination that rejects instead of answering counts as a failed attempt', async () => {
    const rig = createRig()
    rig.destination('broken', ({ attempt }) => {
      if (attempt === 1) throw new Error('boom')
      return outcome('delivered')
    })
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.until(rig.quiet)
    expect(rig.trace('broken')).toEqual(['a:1', 'a:1', 'a:2', 'a:2'])
    await rig.clock.advance(500)
    expect(rig.store.attempts[0]).toMatchObject({ outcome: 'retry', error: 'boom', attempt: 1 })
  })

  test('every attempt is recorded with its answer', async () => {
    const rig = createRig()
    rig.destination('hook', ({ attempt }) =>
      attempt === 1
        ? outcome('retry', { statusCode: 500, error: 'answered 500', response: 'oops' })
        : outcome('delivered', { statusCode: 204 }),
    )
    await rig.start()
    await rig.publish(event('a'))
    await rig.clock.until(() => rig.store.attempts.length === 2)
    expect(rig.store.attempts).toMatchObject([
      { destination: 'hook', eventId: event('a').id, attempt: 1, outcome: 'retry', statusCode: 500, response: 'oops' },
      { attempt: 2, outcome: 'delivered', statusCode: 204, error: null },
    ])
  })
})
