import { type Ahead, decodeAhead, encodeAhead } from '../../src/event-log/ahead.ts'
import type { EventLog, LogConsumer } from '../../src/event-log/event-log.ts'
import type { EventRecord } from '../../src/order/event-record.ts'

/**
 * An event log in memory that outlives its consumers. Positions are per partition, from 1. What a consumer settled is where the
 * next one goes on. `crash` forgets the consumer as if its process had died: it is told nothing and nothing it settles counts.
 */
export interface MemoryEventLog
  extends Pick<
    EventLog,
    'append' | 'consume' | 'partitions' | 'partitionOf' | 'commitPublishes' | 'ownsAllPartitions'
  > {
  /** Highest settled position of a partition; 0: none. */
  settled(partition?: number): number
  /** How many entries have been handed to a consumer and taken in, all partitions. */
  readonly taken: number
  /** Of all consumers, or of the one with this index. */
  crash(index?: number): void
  /** Takes partitions from a consumer, or gives them to it: the one that came last, or the one with this index. */
  revoke(partitions: readonly number[], index?: number): Promise<void>
  assign(partitions: readonly number[], index?: number): Promise<void>
}

interface Reader {
  readonly consumer: LogConsumer
  readonly owned: Map<number, { next: number; busy: boolean }>
  alive: boolean
}

export function memoryEventLog({
  partitions = 1,
  batch = 100,
  /** True: as the embedded log. False: as Kafka. */
  embedded = true,
  /** Which partitions the consumer with this index gets when it comes; default: all. */
  share = (_index: number) =>
    (_partition: number): boolean =>
      true,
} = {}): MemoryEventLog {
  const logs: EventRecord[][] = Array.from({ length: partitions }, () => [])
  const offsets = new Map<number, number>()
  /** As written down beside them. */
  const aheads = new Map<number, string>()
  /** As the group has it, whatever its members believe. */
  const holders = new Map<number, Reader>()
  let readers: Reader[] = []
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

  /** What the embedded log keeps, and Kafka does not. */
  const aheadOf = (list: readonly number[]): ReadonlyMap<number, Ahead> =>
    new Map(
      list.flatMap(partition => {
        const ahead = decodeAhead(aheads.get(partition) ?? null)
        return ahead ? [[partition, ahead] as const] : []
      }),
    )

  async function assign(list: readonly number[], index = readers.length - 1): Promise<void> {
    const to = readers[index]
    if (!to || list.length === 0) return
    for (const partition of list) holders.set(partition, to)
    while (
      to.alive &&
      !(await to.consumer.assigned(list, null, embedded ? aheadOf(list) : undefined).then(
        () => true,
        () => false,
      ))
    )
      await Promise.resolve()
    for (const partition of list) to.owned.set(partition, { next: (offsets.get(partition) ?? 0) + 1, busy: false })
    for (const partition of list) void feed(to, partition)
  }

  return {
    commitPublishes: embedded,
    ownsAllPartitions: embedded,
    partitions,
    partitionOf,
    settled: (partition = 0) => offsets.get(partition) ?? 0,
    get taken() {
      return taken
    },
    async append(events) {
      for (const event of events) logs[partitionOf(event.orderKey)]?.push(event)
      for (const reader of readers) for (const partition of reader.owned.keys()) void feed(reader, partition)
    },
    async consume(consumer) {
      const mine: Reader = { consumer, owned: new Map(), alive: true }
      readers.push(mine)
      const partitionsOfMine = logs.map((_, partition) => partition).filter(share(readers.length - 1))
      void assign(partitionsOfMine, readers.indexOf(mine))
      return {
        async caughtUp(list) {
          const ends = list.map(partition => logs[partition]?.length ?? 0)
          const ours = () => mine.alive && list.every(partition => mine.owned.has(partition))
          const behind = (partition: number, index: number) =>
            (mine.owned.get(partition)?.next ?? 0) <= (ends[index] ?? 0)
          while (ours() && list.some(behind)) await new Promise(resolve => setImmediate(resolve))
          return ours()
        },
        holds: async list => list.every(partition => holders.get(partition) === mine),
        committable(partition, position, ahead) {
          if (!mine.alive || !mine.owned.has(partition)) return
          if (position < (offsets.get(partition) ?? 0)) return
          offsets.set(partition, position)
          if (ahead) aheads.set(partition, encodeAhead(ahead()))
        },
        async stop() {
          mine.alive = false
          readers = readers.filter(one => one !== mine)
        },
      }
    },
    crash(index) {
      const dead = index === undefined ? readers : readers.filter((_, at) => at === index)
      for (const reader of dead) reader.alive = false
      readers = readers.filter(reader => reader.alive)
    },
    assign,
    async revoke(list, index = readers.length - 1) {
      const from = readers[index]
      if (!from) return
      await from.consumer.revoked(list)
      for (const partition of list) from.owned.delete(partition)
    },
  }
}
