import type { Admin } from 'kafkajs'
import { keyHash } from '../../lib/murmur2.ts'

/**
 * A record that identifies the log of a partition. A topic that was created again, restored or truncated has another record at this
 * offset, or none. It is committed as the metadata of the offset.
 */
export interface Anchor {
  readonly offset: number
  readonly mark: string
}

/** The first offset of a partition, and the offset of its next record. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

/** The position of a group in a partition. */
export interface Committed {
  /** The next offset to read; null: Kafka has none. */
  readonly offset: number | null
  readonly anchor: Anchor | null
}

/** Why a position does not fit the log. */
export type Misfit = 'ends-below' | 'other-record' | 'position-gone' | 'expired'

/** Where reading begins. */
export interface Start {
  readonly next: number
  /** Must be found before anything is taken in; null: no record is known. */
  readonly expected: Anchor | null
  readonly misfit: Misfit | null
}

/** Time, key and length of a record: if they are equal at one offset of two logs, the record is the same. */
export function markOf(record: {
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
}): string {
  const key = record.key ? keyHash(record.key.toString('utf8')).toString(36) : ''
  return `${Number(record.timestamp).toString(36)}.${key}.${record.value?.length ?? ''}`
}

/** Where reading begins in a log with these bounds, given what the group has committed. */
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

/** null: committed by another program, or by a version without anchors. */
export function anchorOf(metadata: string | null | undefined): Anchor | null {
  const [, offset, mark] = METADATA.exec(metadata ?? '') ?? []
  return offset === undefined || mark === undefined ? null : { offset: Number(offset), mark }
}

/** Anchors kept for one partition; above this number every second one is dropped. */
const MOST = 10_000

/** The anchors of one partition that were read and are not committed yet, and the last one before them. */
export interface Anchors {
  /** Call it with growing offsets. */
  add(anchor: Anchor): void
  /** The last anchor before this offset; null: none is known. */
  before(offset: number): Anchor | null
  /** Only offsets from this one on will be asked for. */
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
      // A slow delivery may keep the committable offset back while much is read behind it.
      if (list.length > MOST) list = list.filter((_, index) => index % 2 === 0 || index === list.length - 1)
    },
    before: offset => list[before(offset)] ?? null,
    committed(offset) {
      const last = before(offset)
      if (last > 0) list = list.slice(last)
    },
  }
}

/** One sentence if committed offsets of a group do not fit the topic; null: they fit. Compares offsets only, not records. */
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
