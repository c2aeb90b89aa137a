import kafkajs, { type Kafka, type Message, type PartitionMetadata, type Producer } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { partitionFor } from '../../lib/murmur2.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Refusal } from '../event-log.ts'
import { headersOf } from './record.ts'
import { recordBytes, type SizeLimit } from './size.ts'

/** An event this large is compressed to stay below the topic's limit. */
const LARGE = 256 * 1024
/** After this many refused records in a row, the partition is thought to take none at present. */
const MOST_BAD_RECORDS = 16
const PAUSES_MS = [100, 300, 600]

/** Error codes of brokers that answer but are not ready. */
const PASSING = new Set(['kafka.busy', 'kafka.incomplete', 'kafka.topic'])
/** Error codes about single records; all others are about partitions or the whole request. */
const OF_RECORDS = new Set(['kafka.too_large', 'kafka.record'])
const isOfPartitions = ({ code }: AppError) =>
  code === 'kafka.busy' || code === 'kafka.incomplete' || OF_RECORDS.has(code)

export interface SenderDeps {
  /** Returns a new client each time: a failed one is not used again. */
  readonly client: () => Kafka
  /** Resolves when the topic exists. */
  readonly ready: () => Promise<void>
  readonly topic: string
  readonly partitions: () => number
  /** Leader by partition, as last seen; shared by all senders. */
  readonly leaders: Map<number, number>
  readonly size: SizeLimit
  readonly clock: Clock
  readonly metrics: Metrics
  readonly explain: (error: unknown) => AppError
  /** Whether to wait a moment for a partition that is not ready, e.g. of a new topic or during a leader election. */
  readonly patient: boolean
}

export interface Sender {
  /**
   * Resolves with the refused events; all others are written and replicated. Rejects with an AppError if no event is known to be written;
   * some may have been.
   */
  send(events: readonly EventRecord[]): Promise<readonly Refusal[]>
  close(): Promise<void>
}

type Part = readonly [partition: number, events: readonly EventRecord[]]

/**
 * Sends batches and reports the result of each partition. kafkajs reports one error for a whole request, so each leader gets its own
 * request, and after an error each partition. These have the same producer id and sequence numbers, so the broker drops what it has.
 *
 * A failed request may still have been written. kafkajs reuses its sequence numbers for the next events, which the broker would drop as
 * duplicates. So a partition that stays refused ends the producer, and the next request has a new producer id: events may come twice,
 * none is lost.
 */
export function createSender(deps: SenderDeps): Sender {
  const { topic, leaders, size, clock, metrics, explain } = deps
  let producer: Promise<Producer> | null = null
  let closed = false
  const placed = new WeakMap<Message, number>()
  let known: readonly PartitionMetadata[] | null = null

  async function connect(): Promise<Producer> {
    await deps.ready()
    const made = deps.client().producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
      retry: { retries: 1, initialRetryTime: 100 },
      createPartitioner:
        () =>
        ({ message, partitionMetadata }) => {
          noteLeaders(partitionMetadata)
          const partition = partitionFor(String(message.key), partitionMetadata.length)
          placed.set(message, partition)
          return partition
        },
    })
    try {
      await made.connect()
      return made
    } catch (error) {
      void made.disconnect().catch(() => {})
      throw error
    }
  }

  function noteLeaders(metadata: readonly PartitionMetadata[]): void {
    if (metadata === known) return
    known = metadata
    for (const { partitionId, leader } of metadata) leaders.set(partitionId, leader)
  }

  function drop(): void {
    const old = producer
    producer = null
    void old?.then(found => found.disconnect()).catch(() => {})
  }

  /** One call of kafkajs. Resolves with the events that it left out although it reported success, e.g. after a leader election. */
  async function post(sender: Producer, events: readonly EventRecord[]): Promise<readonly EventRecord[]> {
    const timestamp = String(clock.now())
    const messages = events.map(
      (event): Message => ({ key: event.orderKey, value: event.body, headers: headersOf(event), timestamp }),
    )
    const most = Math.min(LARGE, size.batch())
    const large = events.some(event => recordBytes(event) > most)
    const written = await sender.sendBatch({
      acks: -1,
      timeout: 10_000,
      compression: kafkajs.CompressionTypes[large ? 'GZIP' : 'None'],
      topicMessages: [{ topic, messages }],
    })
    const confirmed = new Set(written.map(({ partition }) => partition))
    return events.filter((_, at) => {
      const partition = messages[at] && placed.get(messages[at])
      return partition === undefined || !confirmed.has(partition)
    })
  }

  /** Groups partitions by leader. A partition whose leader is not known is alone. */
  function byLeader(parts: readonly Part[]): Part[][] {
    const groups = Map.groupBy(parts, ([partition]) => leaders.get(partition) ?? `partition ${partition}`)
    return [...groups.values()]
  }

  /** Sends everything once. Rejects only if every request failed as a whole. */
  async function attempt(events: readonly EventRecord[]): Promise<readonly Refusal[]> {
    const started = clock.monotonic()
    producer ??= connect()
    const sender = await producer
    const count = deps.partitions()
    const parts = [...Map.groupBy(events, event => partitionFor(event.orderKey, count))]
    const groups = byLeader(parts)
    const failures: AppError[] = []
    const results = await Promise.all(
      groups.map(async (group): Promise<readonly Refusal[]> => {
        try {
          const left = await post(
            sender,
            group.flatMap(([, part]) => part),
          )
          return left.length === 0 ? [] : leftOut(left, count)
        } catch (cause) {
          const error = explain(cause)
          const [only] = group
          if (isOfPartitions(error)) {
            if (group.length === 1 && only) return resolvePart(sender, only, error)
            const refused = []
            for (const part of group) refused.push(...(await resolvePart(sender, part, null)))
            return refused
          }
          failures.push(error)
          return group.flatMap(part => refusePart(part, error))
        }
      }),
    )
    const [failure] = failures
    if (failure && failures.length === groups.length) throw failure
    const refusals = results.flat()
    if (refusals.some(({ partition }) => partition !== null)) drop()
    if (refusals.length === 0) metrics.publishSeconds.observe((clock.monotonic() - started) / 1000)
    return refusals
  }

  /** Sends the events of one partition again after `error` (null: not sent alone yet). A batch that is too large is halved, down to a record. */
  async function resolvePart(sender: Producer, [partition, events]: Part, error: AppError | null) {
    const refusals: Refusal[] = []
    const held = new Map<string, AppError>()
    const pending: (readonly EventRecord[])[] = [events]
    let known = error
    let inRow = 0
    for (let next = pending.shift(); next; next = pending.shift()) {
      const batch = next.filter(event => !held.has(event.orderKey))
      for (const event of next) {
        const why = held.get(event.orderKey)
        if (why) refusals.push({ event, error: why, partition: null })
      }
      if (batch.length === 0) continue
      const why = known ?? (await postAlone(sender, batch, partition))
      known = null
      if (why === null) inRow = 0
      else if (!OF_RECORDS.has(why.code) || inRow === MOST_BAD_RECORDS) {
        // Later events of an order must not be written before its refused event.
        for (const event of [...batch, ...pending.flat()]) {
          const refused = held.get(event.orderKey)
          refusals.push(refused ? { event, error: refused, partition: null } : { event, error: why, partition })
        }
        return refusals
      } else if (batch.length === 1) {
        inRow++
        for (const event of batch) {
          const refused = ofRecord(event, why)
          held.set(event.orderKey, refused)
          refusals.push({ event, error: refused, partition: null })
        }
      } else {
        if (why.code === 'kafka.too_large') size.tooLarge(batch.reduce((sum, event) => sum + recordBytes(event), 0))
        const half = Math.ceil(batch.length / 2)
        pending.unshift(batch.slice(0, half), batch.slice(half))
      }
    }
    return refusals
  }

  async function postAlone(sender: Producer, events: readonly EventRecord[], partition: number) {
    try {
      const left = await post(sender, events)
      return left.length > 0 ? incomplete([partition]) : null
    } catch (cause) {
      return explain(cause)
    }
  }

  function leftOut(events: readonly EventRecord[], count: number): readonly Refusal[] {
    const parts = Map.groupBy(events, event => partitionFor(event.orderKey, count))
    const error = incomplete([...parts.keys()])
    return [...parts].flatMap(part => refusePart(part, error))
  }

  const incomplete = (partitions: readonly number[]) =>
    new AppError(`Kafka confirmed a batch without its partitions ${partitions.join(', ')}; they are tried again.`, {
      code: 'kafka.incomplete',
      intent: 'retry',
    })

  /** The sentence does not name the partition, so an error of several partitions is logged once. */
  const refusePart = ([partition, events]: Part, error: AppError): Refusal[] =>
    events.map(event => ({ event, error, partition }))

  const ofRecord = (event: EventRecord, { code, message, cause }: AppError) =>
    new AppError(
      code === 'kafka.too_large'
        ? `Event ${event.id} has ${Buffer.byteLength(event.body)} bytes, more than topic "${topic}" takes; raise max.message.bytes of the topic.`
        : `Event ${event.id} is refused: ${message}`,
      { code, intent: 'fix', cause },
    )

  return {
    async send(events) {
      const refused: Refusal[] = []
      let rest = events
      for (const pause of [...(deps.patient ? PAUSES_MS : []), null]) {
        let error: AppError | null = null
        let refusals: readonly Refusal[] = []
        try {
          refusals = await attempt(rest)
        } catch (cause) {
          drop()
          error = explain(cause)
        }
        const waits = pause !== null && !closed
        if (error && !(waits && PASSING.has(error.code))) {
          if (rest.length === events.length) throw error
          const count = deps.partitions()
          const parts = [...Map.groupBy(rest, event => partitionFor(event.orderKey, count))]
          for (const part of parts) refused.push(...refusePart(part, error))
          return refused
        }
        if (!error) {
          const again = refusals.filter(one => waits && one.partition !== null && PASSING.has(one.error.code))
          refused.push(...refusals.filter(one => !again.includes(one)))
          rest = again.map(({ event }) => event)
        }
        if (rest.length === 0) return refused
        await clock.sleep(pause ?? 0)
      }
      return refused
    },
    close: async () => {
      closed = true
      const last = producer
      producer = null
      await last?.then(found => found.disconnect()).catch(() => {})
    },
  }
}
