import { expect, test } from 'vitest'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { type HeldLease, withLease } from '../../src/ingest/lease.ts'
import { createOutbox } from '../../src/ingest/outbox.ts'
import type { Lease, LeaseStore } from '../../src/store/port/leases.ts'
import type { Store } from '../../src/store/store.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'

/** Leases as the store keeps them, with a switch for a store that cannot be reached. */
function leases() {
  const control = { reachable: true, holder: null as Lease | null, renewals: 0 }
  const store: Omit<LeaseStore, 'takeOver' | 'list'> = {
    acquire: async (name, owner) => {
      if (control.holder !== null && control.holder.owner !== owner) return null
      control.holder = { name, owner, epoch: (control.holder?.epoch ?? 0) + 1 }
      return control.holder
    },
    renew: async lease => {
      if (!control.reachable) throw new Error('unreachable')
      control.renewals++
      return control.holder?.owner === lease.owner
    },
    release: async () => {
      control.holder = null
    },
  }
  return { control, store }
}

async function held() {
  const clock = memoryClock()
  const { control, store } = leases()
  const stop = new AbortController()
  const taken = Promise.withResolvers<HeldLease>()
  const running = withLease(
    { leases: store, name: 'connection/shop', owner: 'one', clock, log: quietLog, signal: stop.signal },
    async lease => {
      taken.resolve(lease)
      await new Promise<void>(resolve => lease.signal.addEventListener('abort', () => resolve(), { once: true }))
    },
  )
  const lease = await taken.promise
  return {
    clock,
    control,
    lease,
    end: async () => {
      stop.abort()
      await clock.advance(2_000)
      await running
    },
  }
}

test('a failure to get a lease is reported, and the store is asked again a second later; a lease of another process is no trouble', async () => {
  const clock = memoryClock()
  const { control, store } = leases()
  const told: (string | null)[] = []
  const stop = new AbortController()
  let answers = false
  const acquire: LeaseStore['acquire'] = (...args) =>
    answers ? store.acquire(...args) : Promise.reject(new Error('the disk is full'))
  const running = withLease(
    {
      leases: { ...store, acquire },
      name: 'connection/shop',
      owner: 'one',
      clock,
      log: quietLog,
      signal: stop.signal,
      trouble: why => told.push(why),
    },
    async () => {},
  )
  await clock.advance(900)
  expect(told).toEqual(['the disk is full'])
  control.holder = { name: 'connection/shop', owner: 'two', epoch: 1 }
  answers = true
  await clock.advance(200)
  expect(told.at(-1)).toBeNull()
  stop.abort()
  await clock.advance(10_000)
  await running
})

test('a lease that is renewed stays fresh', async () => {
  const { clock, control, lease, end } = await held()
  await clock.advance(120_000)
  expect(() => lease.assertFresh()).not.toThrow()
  expect(control.renewals).toBeGreaterThan(20)
  await end()
})

test('a lease that could not be renewed ends before another process can get it', async () => {
  const { clock, control, lease, end } = await held()
  control.reachable = false
  await clock.advance(14_900)
  expect(lease.signal.aborted).toBe(false)
  await clock.advance(5_000)
  expect(lease.signal.aborted).toBe(true)
  expect(() => lease.assertFresh()).toThrow('passed to another process')
  await end()
})

test('a process suspended beyond its lease publishes nothing, although it had loaded the events', async () => {
  const { lease, end } = await held()
  const appended: string[] = []
  let elapsed = 0
  const paused: HeldLease = {
    ...lease,
    assertFresh: () => {
      if (elapsed > 15_000) lease.assertFresh()
    },
  }
  const events = eventsOf('o-1', 3, { connection: 'shop' })
  const store = {
    events: {
      unpublished: async () => {
        elapsed = 20_000 // the process is stopped here, and another takes over
        lease.lost(new Error('expired'))
        return events.map((event, n) => ({ ...event, n }))
      },
    },
  } as unknown as Store
  const eventLog = {
    commitPublishes: false,
    append: async batch => void appended.push(...batch.map(({ id }) => id)),
  } as EventLog
  const publisher = createOutbox({
    connection: 'shop',
    store,
    eventLog,
    held: paused,
    clock: memoryClock(),
    log: quietLog,
  })
  await publisher.run()
  expect(appended).toEqual([])
  await end()
})
