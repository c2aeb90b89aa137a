import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Consumption, EventLog, LogEntry } from '../../src/event-log/event-log.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { eventRecord, eventsOf } from '../helpers/event-records.ts'

/** What a log adapter gives the suite. */
export interface EventLogHarness {
  readonly log: EventLog
  /** What the program does with new events: stores them where the adapter reads them from there, then appends. */
  publish(events: readonly EventRecord[]): Promise<void>
  /** Closes this log and opens another on the same durable state, as a restart does. */
  reopen(): Promise<EventLogHarness>
  /** Closes the log and removes what it left. */
  close(): Promise<void>
}

interface Taken extends LogEntry {
  readonly partition: number
}

/** Runs the promises of the `EventLog` port on an adapter; `open` starts with an empty log. */
export function eventLogContract(name: string, open: () => Promise<EventLogHarness>): void {
  describe(`event log: ${name}`, { timeout: 60_000 }, () => {
    let harness: EventLogHarness
    let group: string
    const running = new Set<Consumption>()

    beforeEach(async () => {
      harness = await open()
      group = `group-${randomUUID()}`
    }, 60_000)
    afterEach(async () => {
      for (const consumption of running) await consumption.stop()
      running.clear()
      await harness.close()
    }, 60_000)

    const eventually = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 20 })

    /** Consumes into a list; `settle` says what is settled at once. */
    async function consume(options: { group?: string; settle?: (entry: Taken) => boolean } = {}) {
      const taken: Taken[] = []
      const owned = new Set<number>()
      const assignments: number[][] = []
      const misplaced: Taken[] = []
      const consumption = await harness.log.consume({
        group: options.group ?? group,
        onBatch: async (partition, entries) => {
          for (const entry of entries) {
            const item = { ...entry, partition }
            if (!owned.has(partition)) misplaced.push(item)
            taken.push(item)
            if (options.settle?.(item)) consumption.committable(partition, entry.position)
          }
        },
        assigned: async partitions => {
          assignments.push([...partitions])
          for (const partition of partitions) owned.add(partition)
        },
        revoked: async partitions => {
          for (const partition of partitions) owned.delete(partition)
        },
      })
      running.add(consumption)
      const stop = async () => {
        running.delete(consumption)
        await consumption.stop()
      }
      return { consumption, taken, owned, assignments, misplaced, stop }
    }

    const ids = (items: readonly { event: EventRecord }[]) => items.map(item => item.event.id)
    const ofOrder = (items: readonly Taken[], orderKey: string) =>
      items.filter(item => item.event.orderKey === orderKey)

    test('every appended event reaches the group as it was appended', async () => {
      const events = eventsOf('a', 3)
      await harness.publish(events)
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(3))
      expect(reader.taken.map(item => item.event)).toMatchObject(events)
    })

    test('events appended while the group waits reach it, too', async () => {
      const reader = await consume()
      await eventually(() => expect(reader.assignments.length).toBeGreaterThan(0))
      await harness.publish([eventRecord({ orderId: 'a', sequence: 1 })])
      await eventually(() => expect(reader.taken).toHaveLength(1))
      await harness.publish([eventRecord({ orderId: 'a', sequence: 2 })])
      await eventually(() => expect(reader.taken).toHaveLength(2))
      expect(reader.taken.map(item => item.event.sequence)).toEqual([1, 2])
    })

    test('it says when everything there is has been taken in, and that nothing is to be taken in', async () => {
      const reader = await consume()
      await eventually(() => expect(reader.owned.size).toBeGreaterThan(0))
      const all = [...reader.owned]
      // While partitions are being handed over they may be no one's yet.
      await eventually(async () => expect(await reader.consumption.caughtUp(all)).toBe(true))
      await harness.publish(Array.from({ length: 300 }, (_, order) => eventRecord({ orderId: `o${order}` })))
      expect(await reader.consumption.caughtUp(all)).toBe(true)
      expect(reader.taken).toHaveLength(300)
      await reader.stop()
      expect(await reader.consumption.caughtUp(all)).toBe(false)
    })

    test('it says whether it holds partitions', async () => {
      const first = await consume()
      await eventually(() => expect(first.owned.size).toBe(harness.log.partitions))
      await eventually(async () => expect(await first.consumption.holds([...first.owned])).toBe(true))
      const second = await consume()
      if (harness.log.ownsAllPartitions) expect(await second.consumption.holds([0])).toBe(false)
      else {
        await eventually(() => expect(second.owned.size).toBeGreaterThan(0))
        await eventually(async () => expect(await second.consumption.holds([...second.owned])).toBe(true))
        expect(await first.consumption.holds([...second.owned])).toBe(false)
      }
      await eventually(async () => expect(await first.consumption.holds([...first.owned])).toBe(true))
      await first.stop()
      expect(await first.consumption.holds([0])).toBe(false)
    })

    test('appending nothing is fine', async () => {
      await harness.log.append([])
      await harness.publish([eventRecord()])
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(1))
    })

    test('an order is in one partition, the one partitionOf names, in the order appended', async () => {
      const orders = Array.from({ length: 40 }, (_, index) => `order-${index}`)
      for (let sequence = 1; sequence <= 10; sequence++)
        await harness.publish(orders.map(orderId => eventRecord({ orderId, sequence })))
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(400))
      for (const orderId of orders) {
        const key = `shop/${orderId}`
        const items = ofOrder(reader.taken, key)
        expect(items.map(item => item.event.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        expect(new Set(items.map(item => item.partition))).toEqual(new Set([harness.log.partitionOf(key)]))
      }
    })

    test('partitionOf stays within the number of partitions', () => {
      expect(harness.log.partitions).toBeGreaterThanOrEqual(1)
      for (let index = 0; index < 200; index++) {
        const partition = harness.log.partitionOf(`shop/${index}`)
        expect(partition).toBeGreaterThanOrEqual(0)
        expect(partition).toBeLessThan(harness.log.partitions)
      }
    })

    test('positions grow within a partition', async () => {
      await harness.publish(Array.from({ length: 100 }, (_, index) => eventRecord({ orderId: `o${index}` })))
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(100))
      const last = new Map<number, number>()
      for (const { partition, position } of reader.taken) {
        expect(position).toBeGreaterThan(last.get(partition) ?? Number.NEGATIVE_INFINITY)
        last.set(partition, position)
      }
    })

    test('a consumer is assigned every partition before it gets entries of it', async () => {
      await harness.publish(Array.from({ length: 50 }, (_, index) => eventRecord({ orderId: `o${index}` })))
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(50))
      expect(reader.misplaced).toEqual([])
      expect([...reader.owned].sort((a, b) => a - b)).toEqual(
        Array.from({ length: harness.log.partitions }, (_, index) => index),
      )
    })

    test('each group gets every event, also one that comes late', async () => {
      await harness.publish(eventsOf('a', 3))
      const first = await consume({ settle: () => true })
      await eventually(() => expect(first.taken).toHaveLength(3))
      const late = await consume({ group: `late-${group}` })
      await eventually(() => expect(late.taken).toHaveLength(3))
      await harness.publish(eventsOf('b', 2))
      await eventually(() => expect([first.taken.length, late.taken.length]).toEqual([5, 5]))
    })

    test('after a restart reading goes on behind the last settled position', async () => {
      await harness.publish(eventsOf('a', 6))
      const before = await consume({ settle: item => item.event.sequence <= 4 })
      await eventually(() => expect(before.taken).toHaveLength(6))
      await before.stop()
      harness = await harness.reopen()

      const after = await consume()
      await eventually(() => expect(after.taken.at(-1)?.event.sequence).toBe(6))
      expect(after.taken.map(item => item.event.sequence)).toEqual([5, 6])
    })

    test('what was read and not settled is read again after a restart', async () => {
      const events = eventsOf('a', 3)
      await harness.publish(events)
      const before = await consume()
      await eventually(() => expect(before.taken).toHaveLength(3))
      await before.stop()
      harness = await harness.reopen()

      const after = await consume()
      await eventually(() => expect(ids(after.taken)).toEqual(events.map(event => event.id)))
    })

    test('settling a lower position later takes nothing back', async () => {
      await harness.publish(eventsOf('a', 3))
      const before = await consume()
      await eventually(() => expect(before.taken).toHaveLength(3))
      const [first, second] = before.taken
      if (!first || !second) throw new Error('two entries expected')
      before.consumption.committable(second.partition, second.position)
      before.consumption.committable(first.partition, first.position)
      await before.stop()
      harness = await harness.reopen()

      const after = await consume()
      await eventually(() => expect(after.taken.map(item => item.event.sequence)).toEqual([3]))
    })

    test('a slow onBatch holds back the next batch of its partition', async () => {
      let release = () => {}
      const gate = new Promise<void>(resolve => {
        release = resolve
      })
      const active = new Map<number, number>()
      let overlap = false
      const seen: string[] = []
      const consumption = await harness.log.consume({
        group,
        onBatch: async (partition, entries) => {
          const busy = (active.get(partition) ?? 0) + 1
          active.set(partition, busy)
          overlap ||= busy > 1
          seen.push(...ids(entries))
          await gate
          active.set(partition, busy - 1)
        },
        assigned: async () => {},
        revoked: async () => {},
      })
      running.add(consumption)
      await harness.publish([eventRecord({ orderId: 'a', sequence: 1 })])
      await eventually(() => expect(seen).toHaveLength(1))
      await harness.publish(eventsOf('a', 5).slice(1))
      const other = await consume({ group: `other-${group}` })
      await eventually(() => expect(other.taken).toHaveLength(5))
      expect(seen).toHaveLength(1)

      release()
      await eventually(() => expect(seen).toHaveLength(5))
      expect(overlap).toBe(false)
      expect(seen).toEqual(eventsOf('a', 5).map(event => event.id))
    })

    test('a stopped consumer gets nothing more', async () => {
      await harness.publish(eventsOf('a', 2))
      const stopped = await consume({ settle: () => true })
      await eventually(() => expect(stopped.taken).toHaveLength(2))
      await stopped.stop()
      await harness.publish(eventsOf('b', 2))
      const other = await consume()
      await eventually(() => expect(other.taken).toHaveLength(2))
      expect(stopped.taken).toHaveLength(2)
    })

    test('stopping twice is the same as stopping once', async () => {
      const reader = await consume()
      await reader.stop()
      await reader.consumption.stop()
      expect(reader.taken).toEqual([])
    })

    test('two consumers of a group never hold the same partition, and the second takes over from the first', async () => {
      await harness.publish(Array.from({ length: 30 }, (_, index) => eventRecord({ orderId: `o${index}` })))
      const first = await consume({ settle: () => true })
      await eventually(() => expect(first.taken).toHaveLength(30))
      const second = await consume({ settle: () => true })
      await eventually(() => expect(first.owned.size + second.owned.size).toBe(harness.log.partitions))
      expect([...first.owned].filter(partition => second.owned.has(partition))).toEqual([])
      await first.stop()
      await eventually(() => expect(second.owned.size).toBe(harness.log.partitions))

      await harness.publish(
        Array.from({ length: 30 }, (_, index) => eventRecord({ orderId: `o${index}`, sequence: 2 })),
      )
      await eventually(() => {
        const seen = new Set(ids([...first.taken, ...second.taken]))
        expect(seen.size).toBe(60)
      })
      expect(second.misplaced).toEqual([])
    })

    test('a thousand events of a hundred orders arrive once and in order', async () => {
      const events: EventRecord[] = []
      for (let sequence = 1; sequence <= 10; sequence++)
        for (let order = 0; order < 100; order++) events.push(eventRecord({ orderId: `o${order}`, sequence }))
      await harness.publish(events)
      const reader = await consume({ settle: () => true })
      await eventually(() => expect(reader.taken.length).toBeGreaterThanOrEqual(1000))
      expect(new Set(ids(reader.taken)).size).toBe(1000)
      for (let order = 0; order < 100; order++)
        expect(ofOrder(reader.taken, `shop/o${order}`).map(item => item.event.sequence)).toEqual([
          1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
        ])
    })

    test('a working log is healthy and says what it is', async () => {
      await harness.publish([eventRecord()])
      const reader = await consume()
      await eventually(() => expect(reader.taken).toHaveLength(1))
      expect(harness.log.health()).toBeNull()
      expect(await harness.log.check(new AbortController().signal)).not.toBe('')
    })
  })
}
