import type { Admin } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'
import type { LogConsumer } from '../event-log.ts'
import type { MisfitFound } from './notices.ts'
import { type Anchor, anchorOf, type Bounds, type Committed, type Start, startAt } from './position.ts'

/** Ask twice for an end that is below our position: a newly elected leader may not know its end yet. */
const ASK_AGAIN_MS = 500
const NOTHING: Committed = { offset: null, anchor: null }
const EMPTY: Bounds = { low: 0, high: 0 }

/** Where a consumer begins to read each partition: at its committed position, if that fits the log as it is now. */
export interface Starts {
  bounds(partitions: readonly number[]): Promise<ReadonlyMap<number, Bounds>>
  starts(partitions: readonly number[]): Promise<ReadonlyMap<number, Start>>
  /** These offsets were committed. Kafka forgets them with a deleted topic. */
  committed(offsets: ReadonlyMap<number, { readonly offset: number; readonly anchor: Anchor | null }>): void
}

export function createStarts(deps: {
  admin: <T>(use: (admin: Admin) => Promise<T>) => Promise<T>
  topic: string
  consumer: LogConsumer
  /** A position does not fit its log. */
  onMisfit: (found: MisfitFound) => void
  clock: Clock
  signal: AbortSignal
}): Starts {
  const { admin, topic, consumer, onMisfit, clock, signal } = deps
  const { group } = consumer
  const committedHere = new Map<number, number>()

  async function bounds(partitions: readonly number[]): Promise<ReadonlyMap<number, Bounds>> {
    const found = await admin(client => client.fetchTopicOffsets(topic))
    const known = new Map(
      found.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]),
    )
    return new Map(partitions.map(partition => [partition, known.get(partition) ?? EMPTY]))
  }

  async function positions(): Promise<ReadonlyMap<number, Committed>> {
    const [offsets] = await admin(client => client.fetchOffsets({ groupId: group, topics: [topic] }))
    return new Map(
      offsets?.partitions.map(({ partition, offset, metadata }) => [
        partition,
        { offset: Number(offset) < 0 ? null : Number(offset), anchor: anchorOf(metadata) },
      ]),
    )
  }

  return {
    bounds,
    async starts(partitions) {
      const known = await positions()
      const within = (found: ReadonlyMap<number, Bounds>) =>
        new Map(
          partitions.map(
            partition => [partition, startAt(known.get(partition) ?? NOTHING, found.get(partition) ?? EMPTY)] as const,
          ),
        )
      let found = within(await bounds(partitions))
      if ([...found.values()].some(({ misfit }) => misfit === 'ends-below')) {
        await clock.sleep(ASK_AGAIN_MS, signal)
        found = within(await bounds(partitions))
      }
      const anyPosition = [...known.values()].some(({ offset }) => offset !== null)
      const readBefore = !anyPosition && ((await consumer.hasReadBefore?.()) ?? false)
      return new Map(
        [...found].map(([partition, start]) => {
          const before = known.get(partition)?.offset ?? committedHere.get(partition) ?? null
          const isGone = known.get(partition)?.offset == null && (committedHere.has(partition) || readBefore)
          const misfit = start.misfit ?? (isGone ? 'position-gone' : null)
          if (misfit) onMisfit({ group, partition, misfit, next: before ?? 0, from: start.next })
          return [partition, { ...start, misfit }]
        }),
      )
    },
    committed(offsets) {
      for (const [partition, { offset }] of offsets) committedHere.set(partition, offset)
    },
  }
}
