import kafkajs, { type Admin } from 'kafkajs'
import { messageOf } from '../../lib/errors.ts'
import type { EventRecord } from '../../order/event-record.ts'
import { headersOf } from './record.ts'

/** A record batch has a header of 61 bytes; each record has a few bytes for its lengths, time and offset. */
const BATCH_OVERHEAD = 61
const RECORD_OVERHEAD = 40

/** Refusals never reduce the batch below this size. */
const LEAST_BATCH = 16 * 1024
/** How long a limit learned from a refusal holds: the topic may be altered. */
const LEARNED_MS = 10 * 60_000

/** Bytes of one event in a record batch, uncompressed. */
export function recordBytes(event: EventRecord): number {
  let bytes = RECORD_OVERHEAD + Buffer.byteLength(event.orderKey) + Buffer.byteLength(event.body)
  for (const [name, value] of Object.entries(headersOf(event))) bytes += name.length + Buffer.byteLength(value) + 4
  return bytes
}

export interface SizeLimit {
  /** Maximum bytes of records in one batch of a partition. */
  batch(): number
  /** False: the topic's settings say that it does not take this event. */
  fits(event: EventRecord): boolean
  /** Reads the limit of the topic. Without the permission it becomes unknown; other failures change nothing. */
  refresh(admin: Admin): Promise<void>
  /** A batch of several records with this many bytes was refused. */
  tooLarge(bytes: number): void
}

/** Finds the largest batch that the topic takes: from its settings if they can be read, else from refusals. */
export function createSizeLimit(deps: { topic: string; most: number; now: () => number }): SizeLimit {
  const { topic, most, now } = deps
  /** `max.message.bytes`; null: not known. */
  let told: number | null = null
  let learned = { bytes: Number.POSITIVE_INFINITY, until: 0 }

  return {
    batch() {
      const known = told === null ? most : Math.min(most, told - BATCH_OVERHEAD)
      return now() < learned.until ? Math.min(known, learned.bytes) : known
    },
    fits: event => told === null || recordBytes(event) <= told - BATCH_OVERHEAD,
    async refresh(admin) {
      try {
        // The effective value, which is the broker's default if the topic sets none.
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['max.message.bytes'] }],
        })
        const value = resources[0]?.configEntries.find(entry => entry.configName === 'max.message.bytes')?.configValue
        told = value !== undefined && /^\d+$/.test(value) ? Number(value) : null
      } catch (error) {
        if (/AUTHORIZATION|not authorized/i.test(messageOf(error))) told = null
      }
    },
    tooLarge(bytes) {
      learned = { bytes: Math.max(LEAST_BATCH, Math.floor(bytes / 2)), until: now() + LEARNED_MS }
    },
  }
}
