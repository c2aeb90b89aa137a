import type { EventLog, LogConsumer } from '../../src/event-log/event-log.ts'
import type { EventRecord } from '../../src/order/event-record.ts'

/**
 * An event log in memory that outlives its consumers. Positions are per partition, from 1. What a consumer settled is where the
 * next one goes on. `crash` forgets the consumer as if its process had died: it is told nothing and nothing it settles counts.
 */
export interface MemoryEventLog extends Pick<EventLog, 'append' | 'consume' | 'partitions' | 'partitionOf' | 'kind'> {
  /** Highest settled position of a partition; 0: none. */
  settled(partition?: number): number
  /** How many entries have been handed to a consumer and taken in, all partitions. */
  readonly taken: number
  crash(): void
  revoke(partitions: readonly number[]): Promise<void>
  assign(partitions: readonly number[]): Promise<void>
}

interface Reader {
  readonly consumer: LogConsumer
  readonly owned: Map<number, { next: number; busy: boolean }>
  alive: boolean
}

export function memoryEventLog({
  partitions = 1,
  batch = 100,
  kind = 'embedded' as EventLog['kind'],
} = {}): MemoryEventLog {
  const logs: EventRecord[][] = Array.from({ length: partitions }, () => [])
  const offsets = new Map<number, number>()
  let reader: Reader | null = null
  let taken = 0

  const partitionOf = (key: string) =>
    [...key].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7) % partitions

  async function feed(to: Reader, partition: number): Promise<void> {
    const place = to.owned.get(partition)
    if (!place || place.busy) return
    place.busy = true
    const log = logs[partition] ?? []
    while (to.alive && to.owned.get(partition) === place && place.next <= log.length) {
      const entries = log
        .slice(place.next - 1, place.next - 1 + batch)
        .map((event, index) => ({ position: place.next + index, event }))
      await to.consumer.onBatch(partition, entries)
      if (!to.alive || to.owned.get(partition) !== place) return
      place.next += entries.length
      taken += entries.length
    }
    place.busy = false
  }

  async function assign(list: readonly number[]): Promise<void> {
    const to = reader
    if (!to) return
    for (const partition of list) to.owned.set(partition, { next: (offsets.get(partition) ?? 0) + 1, busy: false })
    await to.consumer.assigned(list)
    for (const partition of list) void feed(to, partition)
  }

  return {
    kind,
    partitions,
    partitionOf,
    settled: (partition = 0) => offsets.get(partition) ?? 0,
    get taken() {
      return taken
    },
    async append(events) {
      for (const event of events) logs[partitionOf(event.orderKey)]?.push(event)
      if (reader) for (const partition of reader.owned.keys()) void feed(reader, partition)
    },
    async consume(consumer) {
      const mine: Reader = { consumer, owned: new Map(), alive: true }
      reader = mine
      void assign(logs.map((_, partition) => partition))
      return {
        settle(partition, position) {
          if (!mine.alive || !mine.owned.has(partition)) return
          offsets.set(partition, Math.max(position, offsets.get(partition) ?? 0))
        },
        async stop() {
          mine.alive = false
          if (reader === mine) reader = null
        },
      }
    },
    crash() {
      if (reader) reader.alive = false
      reader = null
    },
    assign,
    async revoke(list) {
      const from = reader
      if (!from) return
      await from.consumer.revoked(list)
      for (const partition of list) from.owned.delete(partition)
    },
  }
}
