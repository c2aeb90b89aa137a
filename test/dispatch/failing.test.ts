import { describe, expect, test } from 'vitest'
import { createRig, event, eventsOfOrders, outcome } from './rig.ts'

describe('an endpoint that fails steadily', () => {
  const down = (rig: ReturnType<typeof createRig>, up: () => boolean) =>
    rig.destination('hook', () => outcome(up() ? 'delivered' : 'retry'), { kind: 'endpoint' })

  test('opens its circuit: probes at growing pauses, and everything else waits without an attempt', async () => {
    const rig = createRig()
    let up = false
    down(rig, () => up)
    await rig.start()
    const orders = Array.from({ length: 30 }, (_, index) => `o${index}`)
    await rig.publish(...eventsOfOrders(orders, 1))
    await rig.clock.advance(6_000)
    expect(rig.dispatcher.destinations()).toMatchObject([{ id: 'hook', kind: 'endpoint', state: 'open' }])
    const sent = rig.sends.length
    await rig.publish(
      ...eventsOfOrders(
        orders.map(order => `new-${order}`),
        1,
      ),
    )
    await rig.clock.advance(5 * 60_000)
    const probes = rig.sends.slice(sent).map(send => send.at)
    expect(probes.length).toBeGreaterThanOrEqual(4)
    expect(probes.length).toBeLessThanOrEqual(8)
    const pauses = probes.slice(1).map((at, index) => at - (probes[index] ?? 0))
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b))
    expect(rig.log.settled()).toBe(60)
    up = true
    await rig.clock.until(rig.quiet, 10 * 60_000)
    expect(rig.dispatcher.destinations()).toMatchObject([{ state: 'active' }])
    const attempts = new Map(rig.sends.map(send => [send.event.id, send.attempt]))
    expect(Math.max(...attempts.values())).toBeLessThanOrEqual(4)
    expect(rig.violations).toEqual([])
  })

  test('delivers all waiting events as soon as a probe succeeds, however late their retry was', async () => {
    const rig = createRig({ delivery: { retries: [1_000, 86_400_000, 86_400_000] } })
    let up = false
    down(rig, () => up)
    await rig.start()
    await rig.publish(
      ...eventsOfOrders(
        Array.from({ length: 20 }, (_, index) => `o${index}`),
        2,
      ),
    )
    await rig.clock.advance(6_000)
    await rig.publish(event('late'))
    await rig.clock.advance(60_000)
    expect(rig.dispatcher.destinations()).toMatchObject([{ state: 'open' }])
    up = true
    await rig.publish(event('fresh'))
    await rig.clock.until(rig.quiet, 10 * 60_000)
    expect(rig.violations).toEqual([])
  })

  test('is disabled after five days without a success, and keeps its waiting events', async () => {
    const rig = createRig({ delivery: { retries: Array(400).fill(3_600_000) } })
    down(rig, () => false)
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd'], 3))
    await rig.clock.advance(4.9 * 86_400_000)
    expect(rig.disabled).toEqual([])
    await rig.clock.advance(0.2 * 86_400_000)
    expect(rig.disabled).toEqual([{ id: 'hook', reason: expect.stringContaining('5 days') }])
    const sent = rig.sends.length
    await rig.clock.advance(86_400_000)
    expect(rig.sends).toHaveLength(sent)
    expect(rig.store.rows('hook')).toHaveLength(4)
    expect(rig.store.letters('hook')).toEqual([])
  })

  test('that says it is gone is disabled at once, and its events wait without an attempt counted', async () => {
    const rig = createRig()
    let gone = true
    rig.destination('hook', () => (gone ? outcome('gone', { statusCode: 410 }) : outcome('delivered')), {
      kind: 'endpoint',
    })
    await rig.start()
    await rig.publish(event('a', 1), event('c', 1))
    await rig.clock.flush()
    await rig.publish(event('a', 2), event('b', 1))
    await rig.clock.advance(600_000)
    expect(rig.trace('hook')).toEqual(['a:1', 'c:1'])
    expect(rig.disabled).toEqual([{ id: 'hook', reason: expect.stringContaining('410') }])
    expect(rig.dispatcher.destinations()).toMatchObject([{ state: 'disabled' }])
    gone = false
    rig.set('hook', { state: 'active' })
    await rig.dispatcher.refresh()
    await rig.clock.until(rig.quiet)
    expect(
      rig.sends
        .slice(2)
        .map(send => [send.event.orderId, send.event.sequence, send.attempt])
        .sort(),
    ).toEqual([
      ['a', 1, 1],
      ['a', 2, 1],
      ['b', 1, 1],
      ['c', 1, 1],
    ])
  })

  test.each([
    ['is gone', outcome('gone', { statusCode: 410 })],
    ['wants rest', outcome('retry', { statusCode: 429, restMs: 3_600_000 })],
  ])('that is changed while it is asked is not held to its former address saying that it %s', async (_, former) => {
    const rig = createRig({ delivery: { retries: [1_000] } })
    const answer = Promise.withResolvers<typeof former>()
    rig.destination('hook', ({ attempt }) => (attempt === 1 ? answer.promise : outcome('delivered')), {
      kind: 'endpoint',
    })
    await rig.start()
    await rig.publish(event('a'))
    await rig.clock.flush()
    rig.set('hook', { changedAt: rig.clock.now() })
    await rig.dispatcher.refresh()
    answer.resolve(former)
    await rig.clock.until(rig.quiet, 5_000)
    expect([rig.trace('hook'), rig.disabled]).toEqual([['a:1', 'a:1'], []])
  })

  test('is disabled as what it was then, although that is written down later', async () => {
    const rig = createRig()
    const gone = () => rig.sends.length === 1
    rig.destination('hook', () => (gone() ? outcome('gone', { statusCode: 410 }) : outcome('delivered')), {
      kind: 'endpoint',
    })
    rig.set('hook', { changedAt: 1 })
    const written: (number | undefined)[] = []
    await rig.start({
      // The store is away at first, and somebody changes the endpoint meanwhile.
      async disable(_id, _reason, changedAt) {
        written.push(changedAt)
        if (written.length > 1) return
        rig.set('hook', { changedAt: 2 })
        await rig.dispatcher.refresh()
        throw new Error('the store is away')
      },
    })
    await rig.publish(event('a'))
    await rig.clock.until(() => written.length > 1, 60_000)
    expect(written).toEqual([1, 1])
  })

  test('that asks for rest gets it as a whole, and no other destination does', async () => {
    const rig = createRig()
    let first = true
    rig.destination('hook', () => {
      if (!first) return outcome('delivered')
      first = false
      return outcome('retry', { statusCode: 429, restMs: 60_000 })
    })
    rig.destination('other')
    await rig.start()
    await rig.publish(event('a'))
    await rig.clock.flush()
    await rig.publish(event('b'), event('c'))
    await rig.clock.advance(59_000)
    expect(rig.trace('hook')).toEqual(['a:1'])
    expect(rig.trace('other')).toEqual(['a:1', 'b:1', 'c:1'])
    await rig.clock.until(rig.quiet, 5_000)
    expect(rig.trace('hook').toSorted()).toEqual(['a:1', 'a:1', 'b:1', 'c:1'])
  })

  test('that asks for rest persists it once for a burst of answers, and again when it asks for more', async () => {
    const rig = createRig({ delivery: { retries: [600_000] } })
    const rests: number[] = []
    let restMs = 60_000
    rig.destination('hook', async ({ event: { orderId } }) => {
      await rig.clock.sleep(orderId === 'a' ? 100 : 200)
      return outcome('retry', { statusCode: 503, restMs })
    })
    rig.set('hook', { rest: async until => void rests.push(until) })
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd'], 1))
    await rig.clock.advance(30_000)
    expect(rig.sends).toHaveLength(4)
    expect(rests).toEqual([begin + 60_100])
    restMs = 2_000
    await rig.publish(event('e'))
    await rig.clock.advance(32_000)
    expect(rests).toEqual([begin + 60_100, begin + 62_400])
  })

  test('that asked another process for rest gets it; waiting events are spilled, and delivered when the rest is over', async () => {
    const rig = createRig({ delivery: { concurrency: 1 } })
    rig.destination('hook', async () => {
      await rig.clock.sleep(1_000)
      return outcome('delivered')
    })
    await rig.start({ tickMs: 1_000 })
    await rig.publish(...eventsOfOrders(['a', 'b'], 3))
    await rig.clock.advance(500)
    rig.set('hook', { restUntil: rig.clock.now() + 60_000 })
    await rig.clock.advance(59_000)
    expect(rig.trace('hook')).toEqual(['a:1'])
    expect(rig.log.settled()).toBe(6)
    await rig.clock.until(rig.quiet, 10_000)
    expect(rig.violations).toEqual([])
  })

  test('rests an hour at most, whatever time it is told or the clocks say', async () => {
    const rig = createRig()
    rig.destination('hook')
    rig.set('hook', { restUntil: rig.clock.now() + 365 * 86_400_000 })
    await rig.start({ tickMs: 1_000 })
    await rig.publish(event('a'))
    await rig.clock.advance(3_599_000)
    expect(rig.sends).toEqual([])
    await rig.clock.until(rig.quiet, 2_000)
  })

  test('is probed at once when somebody edits it', async () => {
    const rig = createRig()
    let up = false
    down(rig, () => up)
    await rig.start()
    await rig.publish(
      ...eventsOfOrders(
        Array.from({ length: 40 }, (_, index) => `o${index}`),
        1,
      ),
    )
    await rig.clock.advance(6 * 60_000)
    expect(rig.dispatcher.destinations()).toMatchObject([{ state: 'open' }])
    up = true
    await rig.publish(event('fresh'))
    await rig.dispatcher.refresh()
    await rig.clock.until(rig.quiet, 1_000)
  })

  test('a handler that always throws has no circuit: each of its events is tried on its own schedule', async () => {
    const rig = createRig({ delivery: { retries: [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000] } })
    rig.destination('handler', () => outcome('retry'))
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd'], 1))
    await rig.clock.until(() => rig.store.letters('handler').length === 4, 20_000)
    expect(rig.sends).toHaveLength(32)
    expect(rig.dispatcher.destinations()).toMatchObject([{ state: 'active' }])
  })
})
