import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Store } from '../../src/store/store.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { createRig, event, outcome, type Rig } from './rig.ts'

/** Positions are written this often under load. */
const WRITTEN_EVERY_MS = 200

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

interface Delivery {
  readonly key: string
  readonly life: number
  answeredAt: number | null
}

/** A dispatcher that reads the embedded log on a real store, under the clock of the rig. */
async function setUp(delays: Readonly<Record<string, (event: EventRecord) => number>>) {
  const rig: Rig = createRig({ delivery: { concurrency: 8, timeout: 60_000 } })
  const folder = await temporaryFolder()
  const store = await openTestSqlite({ folder: folder.path, clock: rig.clock })
  cleanUps.push(async () => {
    await store.close()
    await folder.remove()
  })
  let life = 0
  const deliveries: Delivery[] = []
  for (const [id, delay] of Object.entries(delays))
    rig.destination(id, async ({ event: sent }) => {
      const delivery: Delivery = { key: `${id} ${sent.id}`, life, answeredAt: null }
      deliveries.push(delivery)
      await rig.clock.sleep(delay(sent))
      delivery.answeredAt = rig.clock.now()
      return outcome('delivered')
    })

  async function publish(events: readonly EventRecord[]): Promise<void> {
    const lease = await store.leases.acquire('test', randomUUID(), 60_000, rig.clock.now())
    if (!lease) throw new Error('the lease is free')
    await store.orders.commit(lease, {
      connection: 'shop',
      orders: [],
      events,
      published: true,
      quarantine: [],
    })
    await store.leases.release(lease)
    for (const one of events) rig.store.events.set(one.id, one)
  }

  /** As a process of this life sees the store: once it is dead nothing it calls happens. */
  function seen(): Store {
    const born = life
    const offsets = new Proxy(store.offsets, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => (born === life ? member.apply(target, args) : new Promise(() => {}))
      },
    })
    return { ...store, offsets }
  }

  async function start(): Promise<EventLog> {
    const eventLog = createEmbeddedLog({ store: seen(), clock: rig.clock })
    await rig.start({ eventLog })
    return eventLog
  }

  return {
    rig,
    store,
    deliveries,
    publish,
    start,
    crash() {
      life++
      rig.crash()
    },
    /** All events at all destinations. */
    complete: () => Object.keys(delays).every(id => [...rig.store.events.keys()].every(one => rig.done(id, one))),
  }
}

/** Waits for work that needs the rig's clock to move. */
async function underClock(rig: Rig, work: Promise<void>): Promise<void> {
  let isDone = false
  const ended = work.finally(() => {
    isDone = true
  })
  await rig.clock.until(() => isDone, 20_000)
  await ended
}

/** Orders of one to six events, whose later ones lie far behind the first in the log. */
const busyShop = (): EventRecord[] =>
  Array.from({ length: 6 }, (_, sequence) =>
    Array.from({ length: 80 }, (_, order) => order)
      .filter(order => order % 6 >= sequence)
      .map(order => event(`o${order}`, sequence + 1)),
  ).flat()

describe('a takeover', () => {
  test.each([
    ['an endpoint that answers after 30 ms', { hook: () => 30 }],
    ['one delivery that hangs at the beginning', { hook: (one: EventRecord) => (one.orderId === 'o0' ? 2_500 : 30) }],
    ['a slow destination beside a fast one', { hook: () => 30, slow: () => 400 }],
  ])('after a crash repeats what was in flight and what was answered in the last 200 ms: %s', async (_, delays) => {
    for (const crashAfter of [650, 1_010]) {
      const { rig, deliveries, publish, start, crash, complete } = await setUp(delays)
      await publish(busyShop())
      await start()
      await rig.clock.advance(crashAfter)
      const crashedAt = rig.clock.now()
      const before = [...deliveries]
      const excused = new Set(
        before
          .filter(({ answeredAt }) => answeredAt === null || answeredAt >= crashedAt - WRITTEN_EVERY_MS)
          .map(({ key }) => key),
      )
      expect(before.length - excused.size).toBeGreaterThan(50)
      crash()

      await start()
      await rig.clock.until(complete, 600_000)
      const told = new Set(before.map(({ key }) => key))
      const repeats = deliveries.filter(({ key, life }) => life === 1 && told.has(key)).map(({ key }) => key)
      expect(repeats.filter(key => !excused.has(key))).toEqual([])
      expect(rig.violations).toEqual([])
      await underClock(rig, rig.dispatcher.stop(0))
    }
  })

  test('that dies before it has read everything again keeps what its predecessor had done', async () => {
    const { rig, deliveries, publish, start, crash, complete } = await setUp({ hook: () => 30 })
    await publish(busyShop())
    for (let life = 0; life < 4; life++) {
      await start()
      await rig.clock.advance(450)
      crash()
    }
    await start()
    await rig.clock.until(complete, 600_000)
    const times = new Map<string, number>()
    for (const { key } of deliveries) times.set(key, (times.get(key) ?? 0) + 1)
    const repeats = [...times.values()].reduce((sum, count) => sum + count - 1, 0)
    // Eight at a time for 30 ms each: at most 8 in flight and 54 in 200 ms, four times.
    expect(repeats).toBeLessThanOrEqual(4 * (8 + Math.ceil(WRITTEN_EVERY_MS / 30) * 8))
    expect(rig.violations).toEqual([])
    await underClock(rig, rig.dispatcher.stop(0))
  })

  test('after a clean stop repeats nothing', async () => {
    const { rig, deliveries, publish, start, complete } = await setUp({ hook: () => 30, slow: () => 400 })
    await publish(busyShop())
    const log = await start()
    await rig.clock.advance(700)
    await underClock(
      rig,
      rig.dispatcher.stop(8_000).then(() => log.close()),
    )
    await start()
    await rig.clock.until(complete, 600_000)
    expect(deliveries.length).toBe(new Set(deliveries.map(({ key }) => key)).size)
    await underClock(rig, rig.dispatcher.stop(0))
  })

  test('of a process that was frozen leaves what is in its memory to the other one', async () => {
    const { rig, store, publish, start } = await setUp({ hook: () => 30 })
    await publish(busyShop())
    await start()
    await rig.clock.advance(450)
    await rig.dispatcher.stop(8_000, { lost: true })
    expect(rig.store.rows('hook')).toEqual([])
    expect(await store.offsets.ahead('test', 0)).not.toBeNull()
  })
})

describe('after a crash beside a log that keeps only offsets', () => {
  const delivered = (rig: Rig) => rig.trace('hook').filter(place => place !== 'slow:1')

  test('a delivery that hangs causes few repeats, because it goes to the backlog once many are done behind it', async () => {
    const rig = createRig({ embedded: false, queueLimit: 20, batch: 5 })
    let hangs = true
    rig.destination('hook', ({ event: { orderId } }) =>
      orderId === 'slow' && hangs ? new Promise(() => {}) : outcome('delivered'),
    )
    await rig.publish(event('slow'), ...Array.from({ length: 300 }, (_, index) => event(`o${index}`)))
    await rig.start()
    await rig.clock.until(() => delivered(rig).length === 300, 60_000)
    await rig.clock.advance(100)
    expect(rig.log.settled()).toBeGreaterThanOrEqual(301 - 21)
    expect(rig.store.waiting('hook', 'shop/slow')).toEqual([event('slow').id])
    rig.crash()
    hangs = false
    await rig.start()
    await rig.log.assign([0])
    await rig.clock.until(rig.quiet, 60_000)
    expect(delivered(rig).length).toBeLessThanOrEqual(300 + 21)
    expect(rig.trace('hook')).toContain('slow:1')
    expect(rig.violations).toEqual([])
  })

  test('a delivery that ends while it goes to the backlog is not repeated', async () => {
    const rig = createRig({ embedded: false, queueLimit: 20, batch: 5 })
    const slow = Promise.withResolvers<void>()
    rig.destination('hook', async ({ event: { orderId } }) => {
      if (orderId === 'slow') await slow.promise
      return outcome('delivered')
    })
    rig.store.trouble = call => {
      if (call === 'spill') slow.resolve()
    }
    await rig.start()
    await rig.publish(
      event('slow', 1),
      ...Array.from({ length: 100 }, (_, index) => event(`o${index}`)),
      event('slow', 2),
    )
    await rig.clock.until(rig.quiet, 60_000)
    expect(rig.trace('hook').filter(place => place.startsWith('slow'))).toEqual(['slow:1', 'slow:2'])
    expect(rig.trace('hook')).toHaveLength(102)
    expect(rig.violations).toEqual([])
  })

  test('a slow destination causes few repeats to a quick one', async () => {
    const rig = createRig({ embedded: false, queueLimit: 20, batch: 5 })
    rig.destination('slow', () => new Promise(() => {}))
    rig.destination('hook')
    await rig.publish(...Array.from({ length: 300 }, (_, index) => event(`o${index}`)))
    await rig.start()
    await rig.clock.until(() => delivered(rig).length === 300, 60_000)
    await rig.clock.advance(1_000)
    rig.crash()
    await rig.start()
    await rig.clock.until(() => rig.log.taken >= 300, 60_000)
    await rig.clock.advance(1_000)
    expect(delivered(rig).length).toBeLessThanOrEqual(300 + 41)
  })
})
