import { describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createRig, event, eventsOfOrders, outcome, type Rig } from './rig.ts'

describe('dead letters', () => {
  test('an event whose retries are used up is a dead letter, and its order goes on', async () => {
    const rig = createRig({ delivery: { retries: [100, 100] } })
    rig.destination('hook', ({ event }) => outcome(event.sequence === 1 ? 'retry' : 'delivered', { error: 'no' }))
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:1', 'a:1', 'a:2'])
    expect(rig.store.letters('hook')).toMatchObject([{ attempts: 3, lastError: 'no', holding: false }])
    await rig.clock.advance(200)
    expect(rig.store.attempts.map(row => row.outcome)).toEqual(['retry', 'retry', 'dead', 'delivered'])
  })

  test('without retries the first failure is the last', async () => {
    const rig = createRig({ delivery: { retries: [] } })
    rig.destination('hook', ({ event }) => outcome(event.sequence === 1 ? 'retry' : 'delivered'))
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:2'])
    expect(rig.store.letters('hook')).toHaveLength(1)
  })

  test('an event given up is a dead letter at once', async () => {
    const rig = createRig()
    rig.destination('hook', ({ event }) => outcome(event.sequence === 1 ? 'give-up' : 'delivered'))
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2))
    await rig.clock.until(rig.quiet, 1_000)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:2'])
    expect(rig.store.letters('hook')).toMatchObject([{ attempts: 1 }])
  })

  test('with `hold` the order waits for the redrive, others go on, and then it goes on from there in order', async () => {
    const rig = createRig({ delivery: { retries: [100], onExhausted: 'hold' } })
    let fixed = false
    rig.destination('hook', ({ event }) =>
      outcome(event.orderId === 'a' && event.sequence === 1 && !fixed ? 'retry' : 'delivered'),
    )
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b'], 2))
    await rig.clock.advance(60_000)
    await rig.publish(event('a', 3), event('b', 3))
    await rig.clock.advance(60_000)
    expect(rig.trace('hook').filter(one => one.startsWith('a'))).toEqual(['a:1', 'a:1'])
    expect(rig.trace('hook').filter(one => one.startsWith('b'))).toEqual(['b:1', 'b:2', 'b:3'])
    expect(rig.store.letters('hook')).toMatchObject([{ holding: true }])
    expect(rig.log.settled()).toBe(6)
    fixed = true
    await rig.store.deadLetters.redrive({ destination: 'hook' }, rig.clock.now())
    rig.dispatcher.wake()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook').filter(one => one.startsWith('a'))).toEqual(['a:1', 'a:1', 'a:1', 'a:2', 'a:3'])
    expect(rig.store.letters('hook')).toEqual([])
  })

  test('redriven events come in order among themselves, with attempts counted anew', async () => {
    const rig = createRig({ delivery: { retries: [] } })
    let fixed = false
    rig.destination('hook', () => outcome(fixed ? 'delivered' : 'retry'))
    await rig.start()
    await rig.publish(...eventsOfOrders(['a'], 5))
    await rig.clock.until(() => rig.store.letters('hook').length === 5)
    fixed = true
    await rig.store.deadLetters.redrive({ destination: 'hook' }, rig.clock.now())
    rig.dispatcher.wake()
    await rig.clock.until(rig.quiet)
    expect(rig.sends.slice(5).map(send => [send.event.sequence, send.attempt, send.replay])).toEqual(
      [1, 2, 3, 4, 5].map(sequence => [sequence, 1, false]),
    )
  })
})

describe('replay', () => {
  test('brings past events again, marked, in order, while live events go on', async () => {
    const rig = createRig()
    rig.destination('hook', async () => {
      await rig.clock.sleep(5)
      return outcome('delivered')
    })
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b'], 4))
    await rig.clock.until(rig.quiet)
    const before = rig.sends.length
    expect(await rig.dispatcher.replay('hook', {})).toBe(8)
    await rig.publish(...eventsOfOrders(['a', 'b'], 8).slice(8))
    await rig.clock.until(rig.quiet)
    for (const order of ['a', 'b']) {
      const again = rig.sends.slice(before).filter(send => send.event.orderId === order)
      const sequences = (replay: boolean) =>
        again.filter(send => send.replay === replay).map(send => send.event.sequence)
      expect(sequences(true)).toEqual([1, 2, 3, 4])
      expect(sequences(false)).toEqual([5, 6, 7, 8])
    }
    expect(rig.violations).toEqual([])
  })

  test('of an order with a delivery in flight begins soon after that ends', async () => {
    const rig = createRig()
    const { promise, resolve } = Promise.withResolvers<void>()
    let first = true
    rig.destination('hook', async () => {
      if (first) {
        first = false
        await promise
      }
      return outcome('delivered')
    })
    await rig.start({ tickMs: 3_600_000 })
    await rig.publish(event('a', 1))
    await rig.clock.advance(2_000)
    await rig.dispatcher.replay('hook', {})
    await rig.clock.advance(2_000)
    expect(rig.trace('hook')).toEqual(['a:1'])
    resolve()
    await rig.clock.until(rig.quiet, 1_000)
    expect(rig.sends.map(send => send.replay)).toEqual([false, true])
  })

  test.each(['fails', 'is cut off by a crash'])(
    'of what was never delivered, the first of which %s, does not make it a replay',
    async how => {
      const rig = createRig({ delivery: { concurrency: 1, retries: [1_000, 1_000] } })
      const { promise, resolve } = Promise.withResolvers<void>()
      const wrong: string[] = []
      let first = true
      rig.destination('hook', async ({ event: { id }, replay }) => {
        if (replay && !rig.done('hook', id)) wrong.push(id)
        if (!first) return outcome('delivered')
        first = false
        await promise
        return outcome('retry')
      })
      await rig.start()
      await rig.publish(...eventsOfOrders(['a', 'b'], 3))
      await rig.clock.advance(1_000)
      expect(await rig.dispatcher.replay('hook', {})).toBe(6)
      await rig.clock.advance(1_000)
      if (how === 'fails') resolve()
      else {
        rig.crash()
        await rig.start()
      }
      await rig.clock.until(rig.quiet, 60_000)
      expect(wrong).toEqual([])
      expect(rig.violations).toEqual([])
    },
  )

  test('queues only what the destination wants and the filter says', async () => {
    const rig = createRig()
    rig.destination('refunds', undefined, { types: ['order.refunded', 'order.paid'] })
    await rig.start()
    await rig.publish(event('a', 1), event('a', 2, 'order.shipped'), event('a', 3, 'order.refunded'))
    await rig.clock.until(() => rig.trace('refunds').length === 2)
    expect(await rig.dispatcher.replay('refunds', { types: ['order.shipped'] })).toBe(0)
    expect(await rig.dispatcher.replay('refunds', { types: ['order.shipped', 'order.refunded'] })).toBe(1)
    await rig.clock.until(() => rig.trace('refunds').length === 3)
    expect(rig.trace('refunds')).toEqual(['a:1', 'a:3', 'a:3'])
  })

  test('to a destination that is not there is refused', async () => {
    const rig = createRig()
    await rig.start()
    await expect(rig.dispatcher.replay('nobody', {})).rejects.toMatchObject({ code: 'dispatch.unknown_destination' })
  })
})

describe('what other processes do in the store', () => {
  test('is found at the next tick: a replay, a redrive, a new endpoint', async () => {
    const rig = createRig()
    rig.destination('hook')
    await rig.start({ tickMs: 1_000 })
    await rig.publish(...eventsOfOrders(['a'], 2))
    await rig.clock.until(rig.quiet)
    await rig.clock.advance(3_000)
    await rig.store.lanes.replay('hook', {}, rig.clock.now())
    await rig.clock.until(rig.quiet, 3_000)
    expect(rig.trace('hook')).toEqual(['a:1', 'a:2', 'a:1', 'a:2'])
    rig.destination('new')
    await rig.clock.advance(1_500)
    await rig.publish(event('a', 3))
    await rig.clock.until(rig.quiet)
    expect(rig.trace('new')).toEqual(['a:3'])
  })

  test('is found when it is asked about: a replay to an endpoint made a moment ago', async () => {
    const rig = createRig()
    await rig.start({ tickMs: 3_600_000 })
    await rig.publish(event('a', 1))
    rig.destination('new', undefined, { kind: 'endpoint' })
    expect(await rig.dispatcher.replay('new', {})).toBe(1)
    await rig.clock.until(rig.quiet, 1_000)
    expect(rig.trace('new')).toEqual(['a:1'])
  })
})

test('a replay does not overtake an event whose way to the backlog is still under way', async () => {
  const rig = createRig()
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  rig.destination('hook', ({ attempt }) => outcome(attempt === 1 ? 'retry' : 'delivered'))
  await rig.start()
  rig.store.trouble = call => (call === 'spill' ? written : undefined)
  await rig.publish(event('a', 1, 'order.paid'), event('a', 2, 'order.shipped'))
  await rig.clock.advance(1_000)
  await rig.dispatcher.replay('hook', { types: ['order.shipped'] })
  await rig.clock.advance(10_000)
  expect(rig.store.waiting('hook', 'shop/a')).toEqual([])
  write()
  await rig.clock.until(rig.quiet)
  expect(rig.violations).toEqual([])
})

describe('a destination that is removed', () => {
  const removed = async (rig: Rig, options: { restart: boolean }) => {
    const metrics = createMetrics()
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    for (const id of ['hook', 'other'])
      rig.destination(id, async ({ event: { orderId } }) => {
        if (orderId === 'b') await held
        return outcome(orderId === 'c' ? 'give-up' : 'delivered')
      })
    await rig.start({ metrics })
    await rig.publish(event('a'), event('b'), event('c'))
    await rig.clock.advance(1_000)
    const lines = async () => (await metrics.registry.metrics()).split('\n').filter(line => line.includes('="hook"'))
    expect((await lines()).length).toBeGreaterThan(10)
    if (options.restart) {
      const stopped = rig.dispatcher.stop(1_000)
      await rig.clock.advance(20_000)
      await stopped
    }
    rig.destinations.delete('hook')
    if (options.restart) await rig.dispatcher.start()
    else await rig.dispatcher.refresh()
    release()
    await rig.clock.until(rig.quiet, 60_000)
    expect(rig.trace('other')).toContain('b:1')
    return { lines, text: () => metrics.registry.metrics() }
  }

  test('leaves no series in the metrics, not even by a delivery that ends afterwards', async () => {
    const { lines, text } = await removed(createRig(), { restart: false })
    expect(await lines()).toEqual([])
    expect(await text()).toContain('orderwire_deliveries_total{destination="other",outcome="delivered"} 2')
  })

  test('while the dispatcher does not run leaves none after its start', async () => {
    const { lines } = await removed(createRig(), { restart: true })
    expect(await lines()).toEqual([])
  })
})

describe('pause and resume', () => {
  test('a paused destination misses nothing: resumed, it gets all since then, in order', async () => {
    const rig = createRig()
    rig.destination('hook', undefined, { kind: 'endpoint' })
    await rig.start()
    await rig.publish(event('a', 1))
    await rig.clock.flush()
    rig.set('hook', { state: 'paused' })
    await rig.dispatcher.refresh()
    await rig.publish(...eventsOfOrders(['a', 'b'], 3).slice(1))
    await rig.clock.advance(600_000)
    expect(rig.trace('hook')).toEqual(['a:1'])
    expect(rig.log.settled()).toBe(6)
    expect(rig.dispatcher.destinations()).toMatchObject([{ id: 'hook', kind: 'endpoint', state: 'paused' }])
    rig.set('hook', { state: 'active' })
    await rig.dispatcher.refresh()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook').filter(one => one.startsWith('a'))).toEqual(['a:1', 'a:2', 'a:3'])
    expect(rig.violations).toEqual([])
  })

  test('a pause while deliveries are in flight and queued spills the queue', async () => {
    const rig = createRig()
    const { promise, resolve } = Promise.withResolvers<void>()
    rig.destination(
      'hook',
      async () => {
        await promise
        return outcome('delivered')
      },
      { kind: 'endpoint', delivery: { concurrency: 2 } },
    )
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b', 'c', 'd'], 2))
    await rig.clock.flush()
    rig.set('hook', { state: 'paused' })
    await rig.dispatcher.refresh()
    await rig.clock.flush()
    expect(rig.log.settled()).toBe(8)
    resolve()
    await rig.clock.advance(1_000)
    expect(rig.trace('hook')).toEqual(['a:1', 'b:1'])
    expect(rig.store.waiting('hook', 'shop/a')).toEqual([event('a', 2).id])
    rig.set('hook', { state: 'active' })
    await rig.dispatcher.refresh()
    await rig.clock.until(rig.quiet)
    expect(rig.trace('hook').toSorted()).toEqual(['a:1', 'a:2', 'b:1', 'b:2', 'c:1', 'c:2', 'd:1', 'd:2'])
    expect(rig.violations).toEqual([])
  })

  test('a resume makes events due that waited for a late retry', async () => {
    const rig = createRig({ delivery: { retries: [86_400_000] } })
    let up = false
    rig.destination('hook', () => outcome(up ? 'delivered' : 'retry'), { kind: 'endpoint' })
    await rig.start()
    await rig.publish(event('a'))
    await rig.clock.advance(1_000)
    rig.set('hook', { state: 'paused' })
    await rig.dispatcher.refresh()
    up = true
    rig.set('hook', { state: 'active' })
    await rig.dispatcher.refresh()
    await rig.clock.until(rig.quiet, 1_000)
    expect(rig.sends.map(send => send.attempt)).toEqual([1, 2])
  })

  test('a removed destination keeps no offset back, and its id can be used again', async () => {
    const rig = createRig()
    rig.destination('hook', () => new Promise(() => {}), { kind: 'endpoint' })
    rig.destination('fine')
    await rig.start()
    await rig.publish(...eventsOfOrders(['a', 'b'], 2))
    await rig.clock.advance(1_000)
    expect(rig.log.settled()).toBe(0)
    rig.destinations.delete('hook')
    await rig.dispatcher.refresh()
    expect(rig.log.settled()).toBe(4)
    rig.destination('hook', undefined, { kind: 'endpoint' })
    await rig.dispatcher.refresh()
    await rig.publish(event('a', 3))
    await rig.clock.until(() => rig.trace('hook').includes('a:3'))
  })

  test('two destinations with one id are refused at the start', async () => {
    const rig = createRig()
    rig.destination('same')
    const list = [...rig.destinations.values()]
    const started = rig.start({ destinations: async () => [...list, ...list] })
    const dispatcher = await started
    await expect(dispatcher.start()).rejects.toMatchObject({ code: 'dispatch.id_taken', intent: 'fix' })
  })
})
