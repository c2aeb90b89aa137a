import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/dispatch/destination.ts'
import { createRig, event, eventsOfOrders, outcome, type Rig } from './rig.ts'

const PARTITIONS = Array.from({ length: 12 }, (_, partition) => partition)
const orders = (count: number) => Array.from({ length: count }, (_, index) => `o${index}`)

/** As Kafka hands its entries out: all partitions at once, together more than a destination may have in memory. */
const manyPartitions = () => createRig({ embedded: false, partitions: PARTITIONS.length, batch: 20, queueLimit: 100 })

/** Takes so long to answer, by the rig's clock. */
const answersIn = (rig: Rig, ms: number) => async () => {
  await rig.clock.sleep(ms)
  return outcome('delivered')
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<Outcome>(resolve => signal.addEventListener('abort', () => resolve(outcome('aborted')), { once: true }))

const hangs = () => new Promise<Outcome>(() => {})

function countSpills(rig: Rig): () => number {
  let spills = 0
  rig.store.trouble = call => {
    if (call === 'spill') spills++
  }
  return () => spills
}

describe('the fan-out of many partitions', () => {
  test('spills nothing of a burst in all partitions for a destination that makes room', async () => {
    const rig = manyPartitions()
    rig.destination('quick', answersIn(rig, 2), { delivery: { concurrency: 5 } })
    const spills = countSpills(rig)
    await rig.publish(...eventsOfOrders(orders(120), 4))
    await rig.start()
    await rig.clock.until(rig.quiet, 60_000)
    expect(new Set(rig.trace('quick')).size).toBe(480)
    expect(rig.trace('quick')).toHaveLength(480)
    expect(spills()).toBe(0)
    expect(rig.violations).toEqual([])
  })

  test('waits for destinations that are equally busy, until all of them have room', async () => {
    const rig = manyPartitions()
    for (let index = 0; index < 5; index++)
      rig.destination(`d${index}`, answersIn(rig, 40 + index), { delivery: { concurrency: 10 } })
    const spills = countSpills(rig)
    await rig.publish(...eventsOfOrders(orders(120), 3))
    await rig.start()
    await rig.clock.until(rig.quiet, 60_000)
    for (let index = 0; index < 5; index++) expect(new Set(rig.trace(`d${index}`)).size).toBe(360)
    expect(spills()).toBe(0)
  })

  test('lets a destination that hangs hold up no other one in any partition', async () => {
    const rig = manyPartitions()
    rig.destination('hanging', hangs, { kind: 'endpoint' })
    rig.destination('dead', () => outcome('retry'), { kind: 'endpoint' })
    rig.destination('fine', answersIn(rig, 1), { delivery: { concurrency: 100 } })
    await rig.start()
    const begin = rig.clock.now()
    await rig.publish(...eventsOfOrders(orders(120), 6))
    await rig.clock.until(() => rig.trace('fine').length === 720, 2_000)
    expect(rig.clock.now() - begin).toBeLessThan(200)
    expect(rig.violations).toEqual([])
  })

  test('reads on past a destination that is alone and slow, and spills what it has no room for', async () => {
    const rig = manyPartitions()
    rig.destination('slow', answersIn(rig, 2_000), { delivery: { concurrency: 20 } })
    const begin = rig.clock.now()
    await rig.publish(...eventsOfOrders(orders(120), 4))
    await rig.start()
    await rig.clock.until(() => rig.log.taken === 480, 30_000)
    expect(rig.clock.now() - begin).toBeLessThan(10_000)
    expect(rig.store.rows('slow').length).toBeGreaterThan(0)
    await rig.clock.until(rig.quiet, 600_000)
    expect(rig.violations).toEqual([])
  })

  test('waits longer for destinations that make progress while no other one runs out of events', async () => {
    const rig = manyPartitions()
    rig.destination('steady', answersIn(rig, 400), { delivery: { concurrency: 10 } })
    const spills = countSpills(rig)
    await rig.publish(...eventsOfOrders(orders(120), 3))
    await rig.start()
    await rig.clock.until(rig.quiet, 60_000)
    expect(new Set(rig.trace('steady')).size).toBe(360)
    expect(spills()).toBe(0)
  })

  test('does not let a new endpoint wait for its past because another destination is slow', async () => {
    const rig = manyPartitions()
    rig.destination('steady', answersIn(rig, 400), { delivery: { concurrency: 10 } })
    await rig.publish(...eventsOfOrders(orders(120), 6))
    await rig.start()
    rig.destination('new', undefined, { kind: 'endpoint' })
    rig.store.ask('new', {})
    const begin = rig.clock.now()
    await rig.dispatcher.refresh()
    await rig.clock.until(() => rig.trace('new').length === 720, 60_000)
    expect(rig.clock.now() - begin).toBeLessThan(5_000)
    expect(rig.violations).toEqual([])
  })

  test('lets a spill that the store does not finish hold up its own partition only', async () => {
    const rig = manyPartitions()
    rig.destination('paused', undefined, { state: 'paused', connections: ['other'] })
    rig.destination('fine')
    rig.store.trouble = call => (call === 'spill' ? new Promise<void>(() => {}) : undefined)
    await rig.start()
    await rig.publish(event('x', 1, 'order.paid', 'other'))
    await rig.clock.flush()
    await rig.publish(...eventsOfOrders(orders(24), 1))
    await rig.clock.advance(1_000)
    const held = rig.log.partitionOf('other/x')
    const others = orders(24).filter(order => rig.log.partitionOf(`shop/${order}`) !== held)
    expect(others.length).toBeLessThan(24)
    expect(rig.trace('fine').sort()).toEqual([...others, 'x'].map(order => `${order}:1`).sort())
  })

  test('gives partitions up in time although they wait for room, and their next owner gets all that was not taken in', async () => {
    const rig = manyPartitions()
    let answers = false
    rig.destination('hook', (_, signal) => (answers ? outcome('delivered') : untilAborted(signal)))
    await rig.publish(...eventsOfOrders(orders(120), 4))
    await rig.start()
    await rig.clock.advance(50)
    expect(rig.log.taken).toBeLessThan(480)
    let ended = false
    void rig.log.revoke(PARTITIONS).then(() => {
      ended = true
    })
    await rig.clock.until(() => ended, 10_000)
    answers = true
    await rig.log.assign(PARTITIONS)
    await rig.clock.until(rig.quiet, 60_000)
    expect(new Set(rig.trace('hook')).size).toBe(480)
    expect(rig.violations).toEqual([])
  })
})
