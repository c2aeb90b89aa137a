import type { Admin } from 'kafkajs'
import { keyHash } from '../../lib/murmur2.ts'

/**
 * A record of a partition, remembered to recognise the log by: a topic that was made anew, restored or cut has another record at this
 * offset, or none. It is committed with the position, as the metadata of the offset.
 */
export interface Anchor {
  readonly offset: number
  readonly mark: string
}

/** The first offset of a partition, and the one that its next record will get. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

/** Where a group is in a partition. */
export interface Committed {
  /** The offset to be read next; null: Kafka knows none. */
  readonly offset: number | null
  readonly anchor: Anchor | null
}

/** What is wrong with a position, where it does not fit the log. */
export type Misfit = 'ends-below' | 'other-record' | 'position-gone' | 'expired'

/** Where reading begins. */
export interface Start {
  readonly next: number
  /** To be found before anything is taken in; null: nothing is known that could be looked for. */
  readonly expected: Anchor | null
  readonly misfit: Misfit | null
}

/** The time of a record, its key and its length: two logs that agree on them at one offset agree on the record. */
export function markOf(record: {
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
}): string {
  const key = record.key ? keyHash(record.key.toString('utf8')).toString(36) : ''
  return `${Number(record.timestamp).toString(36)}.${key}.${record.value?.length ?? ''}`
}

/** Where to begin in a log with these bounds, by what the group has committed. */
export function startAt({ offset, anchor }: Committed, { low, high }: Bounds): Start {
  if (offset === null) return { next: low, expected: null, misfit: null }
  if (offset > high) return { next: low, expected: null, misfit: 'ends-below' }
  if (offset < low) return { next: low, expected: null, misfit: 'expired' }
  const known = anchor && anchor.offset >= low && anchor.offset < offset
  return { next: offset, expected: known ? anchor : null, misfit: null }
}

const PREFIX = 'orderwire:1:'
const METADATA = /^orderwire:1:(\d+):(.+)$/

export const metadataOf = (anchor: Anchor | null): string => (anchor ? `${PREFIX}${anchor.offset}:${anchor.mark}` : '')

/** null: committed by another program, or by a version that kept no anchor. */
export function anchorOf(metadata: string | null | undefined): Anchor | null {
  const [, offset, mark] = METADATA.exec(metadata ?? '') ?? []
  return offset === undefined || mark === undefined ? null : { offset: Number(offset), mark }
}

/** Anchors kept for one partition; above this number every second one goes. */
const MOST = 10_000

/** The anchors of what was read of one partition and is not committed yet, and the last one before that. */
export interface Anchors {
  /** Offsets grow. */
  add(anchor: Anchor): void
  /** The last one before this offset; null: none is known. */
  before(offset: number): Anchor | null
  /** Only offsets from here on will be asked for. */
  committed(offset: number): void
}

export function createAnchors(first: Anchor | null): Anchors {
  let list: Anchor[] = first ? [first] : []

  function before(offset: number): number {
    let [from, to] = [0, list.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((list[middle]?.offset ?? 0) < offset) from = middle + 1
      else to = middle
    }
    return from - 1
  }

  return {
    add(anchor) {
      if (anchor.offset <= (list.at(-1)?.offset ?? -1)) return
      list.push(anchor)
      // A delivery that takes long may hold the position back while much is read behind it.
      if (list.length > MOST) list = list.filter((_, index) => index % 2 === 0 || index === list.length - 1)
    },
    before: offset => list[before(offset)] ?? null,
    committed(offset) {
      const last = before(offset)
      if (last > 0) list = list.slice(last)
    },
  }
}

/** Where the committed positions of a group do not fit the topic, in one sentence; null: they do. What their records are is not looked at. */
export async function contradictionOf(admin: Admin, topic: string, group: string): Promise<string | null> {
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  const bounds = new Map((await admin.fetchTopicOffsets(topic)).map(found => [found.partition, found]))
  const odd = (committed?.partitions ?? []).flatMap(({ partition, offset }) => {
    const found = bounds.get(partition)
    if (!found || Number(offset) < 0) return []
    const { misfit } = startAt(
      { offset: Number(offset), anchor: null },
      { low: Number(found.low), high: Number(found.high) },
    )
    if (misfit === null) return []
    const place = misfit === 'expired' ? `begins at ${found.low}` : `ends at ${found.high}`
    return [`partition ${partition} ${place}, and group "${group}" is at ${offset}`]
  })
  return odd.length === 0 ? null : `in topic "${topic}" ${odd.join('; ')}`
}
