import { expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import type { Destination } from '../../src/dispatch/destination.ts'
import { createDispatcher } from '../../src/dispatch/dispatcher.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { memoryEventLog } from '../helpers/memory-event-log.ts'
import { memoryStore } from '../helpers/memory-store.ts'
import { watchOrder } from '../helpers/seam.ts'
import { event, outcome, silent } from './rig.ts'

/** Several dispatchers on one log, which learn of a new endpoint at different times: `replays.ts` says why nothing is lost. */
function cluster(partitions = 4) {
  const clock = memoryClock()
  const log = memoryEventLog({
    partitions,
    embedded: false,
    batch: 5,
    share: index => partition => partition % 2 === index,
  })
  const store = memoryStore({ partitionOf: log.partitionOf })
  const watch = watchOrder()
  let exists = false
  let failing = false
  const endpoint: Destination = {
    id: 'new',
    kind: 'endpoint',
    state: 'active',
    types: null,
    connections: null,
    delivery: DEFAULT_DELIVERY,
    async deliver(delivered) {
      await clock.sleep(3)
      if (failing) return outcome('retry')
      watch.delivered(delivered)
      return outcome('delivered')
    },
  }
  /** A process that notices what others changed every `tickMs`. */
  const dispatcher = (tickMs: number) =>
    createDispatcher({
      store: { ...store, deliveries: store.deliveries as never },
      eventLog: log,
      clock,
      log: silent,
      metrics: createMetrics(),
      group: 'test',
      destinations: async () => (exists ? [endpoint] : []),
      disable: async () => {},
      test: async () => ({ statusCode: 200, ms: 1, error: null }),
      tickMs,
      random: () => 0.5,
    })
  let sequence = 0
  return {
    clock,
    log,
    store,
    watch,
    dispatcher,
    /** The next event of each of 20 orders. */
    async publish(): Promise<void> {
      sequence++
      const events: EventRecord[] = Array.from({ length: 20 }, (_, order) => event(`o${order}`, sequence))
      for (const one of events) store.events.set(one.id, one)
      await log.append(events)
      await clock.flush()
    },
    /** The endpoint is there, wants nothing of the past, and fails. */
    createFailing(): void {
      exists = true
      failing = true
    },
    create(): void {
      exists = true
      store.ask('new', {})
    },
    done: () => watch.missing(store.events.values()).length === 0 && store.asked === 0,
  }
}

test('dispatchers that learn late of a new endpoint lose no event they took in before, and send nothing too early', async () => {
  const { clock, store, watch, dispatcher, publish, create, done } = cluster()
  const [quick, slow] = [dispatcher(100), dispatcher(3_000)]
  await quick.start()
  await slow.start()
  for (let n = 0; n < 5; n++) await publish()
  create()
  // One knows of it and is done with its partitions, while the other goes on taking events in without it.
  for (let n = 0; n < 10; n++) {
    await publish()
    await clock.advance(100)
  }
  expect(watch.acknowledged.size).toBeGreaterThan(0)
  expect(store.asked).toBe(1)
  for (let n = 0; n < 30; n++) {
    await publish()
    await clock.advance(100)
  }
  await clock.until(done)
  expect(watch.inversions).toEqual([])
})

test('a dispatcher that dies before it knew of a new endpoint does not block it, and nothing of its partitions is lost', async () => {
  const { clock, log, watch, dispatcher, publish, create, done } = cluster()
  const [living, dying] = [dispatcher(100), dispatcher(60_000)]
  await living.start()
  await dying.start()
  for (let n = 0; n < 5; n++) await publish()
  create()
  for (let n = 0; n < 5; n++) {
    await publish()
    await clock.advance(100)
  }
  log.crash(1)
  await log.assign([1, 3], 0)
  await publish()
  await clock.until(done)
  expect(watch.inversions).toEqual([])
})

test('an owner whose leases were taken over by a late process continues at once, because the log says who owns the partition', async () => {
  const { clock, log, store, watch, dispatcher, publish, create, done } = cluster()
  await dispatcher(100).start()
  await log.assign([1, 3], 0)
  for (let n = 0; n < 5; n++) await publish()
  for (const partition of [0, 1]) await store.leases.takeOver(`partition/test/${partition}`, 'test')
  create()
  await publish()
  await clock.until(done, 3_000)
  expect(watch.inversions).toEqual([])
})

test('a process that lost a partition without noticing cannot mark its replay as queued', async () => {
  const { clock, log, store, watch, dispatcher, publish, create, done } = cluster()
  const [owner, late] = [dispatcher(100), dispatcher(5_000)]
  await owner.start()
  await late.start()
  await publish()
  // The second has taken over a partition that the first still holds for its own.
  await log.assign([0], 1)
  create()
  await clock.advance(1_000)
  await publish()
  expect(store.asked).toBe(1)
  await clock.advance(1_000)
  expect(store.queued('new')).not.toContain(0)
  await log.revoke([0], 0)
  await publish()
  await clock.until(done, 120_000)
  expect(watch.inversions).toEqual([])
})

test('a process that lost a partition without noticing puts none of its events into the backlog', async () => {
  const { clock, log, store, dispatcher, publish, createFailing } = cluster()
  const [owner, late] = [dispatcher(100), dispatcher(60_000)]
  await owner.start()
  await late.start()
  await publish()
  await log.assign([0], 1)
  createFailing()
  await clock.advance(1_000)
  await publish()
  await clock.advance(5_000)
  const partitions = store.rows('new').map(({ orderKey }) => log.partitionOf(orderKey))
  expect(new Set(partitions)).toEqual(new Set([2]))
  // What they still wait for ends with them.
  const stopped = Promise.all([owner.stop(1_000), late.stop(1_000)])
  await clock.advance(5_000)
  await stopped
})
