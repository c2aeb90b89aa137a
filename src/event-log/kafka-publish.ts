import kafkajs, { type Kafka, type Message, type Producer } from 'kafkajs'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { Metrics } from '../observe.ts'
import type { EventRecord } from '../order/event-record.ts'
import { headersOf } from './kafka-record.ts'
import { keyHash } from './partition.ts'

/** Limits of one request: a topic takes about 1 MB a batch by default, and all of it may fall into one partition. */
const MOST_EVENTS = 500
const MOST_BYTES = 512 * 1024
/** An event this large is compressed to stay below the topic's limit. */
const LARGE = 256 * 1024

/** Codes of errors of brokers that answer and are not ready. */
const PASSING = new Set(['kafka.busy', 'kafka.incomplete', 'kafka.topic'])

export interface Publisher {
  /** Resolves when all are written and replicated; rejects with an AppError, and then any part of them may have been written. */
  append(events: readonly EventRecord[]): Promise<void>
  close(): Promise<void>
}

interface Waiting {
  readonly event: EventRecord
  readonly call: Call
}

interface Call {
  left: number
  resolve(): void
  reject(error: unknown): void
}

/**
 * Publishes in the order of the calls, many calls in one request: with one request in flight a broker (which the idempotence of
 * kafkajs asks for) the request is the cost, not the event.
 *
 * A failed request may have been written all the same. kafkajs then reuses its sequence numbers for the next, different events,
 * and the broker would take those for a repeat and drop them. So every failure ends the producer, and the next request
 * goes out under a new producer id: events may come twice, none is lost. All calls behind a failed one fail with it,
 * for an order's later event must not be written before its earlier one.
 */
export function createPublisher(deps: {
  /** A client each time: a failed one is thrown away. */
  client: () => Kafka
  /** Resolves when the topic is there. */
  ready: () => Promise<void>
  topic: string
  clock: Clock
  metrics: Metrics
  explain: (error: unknown) => AppError
}): Publisher {
  const { topic, clock, metrics, explain } = deps
  let waiting: Waiting[] = []
  let producer: Promise<Producer> | null = null
  let running = false
  let closed = false
  /** Partitions that the batch being sent falls into. */
  let touched = new Set<number>()

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
          const partition = partitionFor(String(message.key), partitionMetadata.length)
          touched.add(partition)
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

  function drop(): void {
    const old = producer
    producer = null
    void old?.then(found => found.disconnect()).catch(() => {})
  }

  function take(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { event } of waiting) {
      bytes += event.body.length
      if (count > 0 && (count >= MOST_EVENTS || bytes > MOST_BYTES)) break
      count++
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }

  async function send(batch: readonly Waiting[]): Promise<void> {
    const timestamp = String(clock.now())
    const messages = batch.map(
      ({ event }): Message => ({ key: event.orderKey, value: event.body, headers: headersOf(event), timestamp }),
    )
    const large = batch.some(({ event }) => event.body.length > LARGE)
    const started = clock.monotonic()
    producer ??= connect()
    const sender = await producer
    touched = new Set()
    const written = await sender.sendBatch({
      acks: -1,
      timeout: 10_000,
      compression: kafkajs.CompressionTypes[large ? 'GZIP' : 'None'],
      topicMessages: [{ topic, messages }],
    })
    // After a change of leaders kafkajs may leave out partitions and still report success.
    for (const { partition } of written) touched.delete(partition)
    if (touched.size > 0)
      throw new AppError(`Kafka confirmed a batch without its partitions ${[...touched].join(', ')}.`, {
        code: 'kafka.incomplete',
        intent: 'retry',
      })
    metrics.publishSeconds.observe((clock.monotonic() - started) / 1000)
  }

  /** A new topic, or a partition whose leader moves, is ready in a moment; what takes longer is the caller's to wait for. */
  async function sendPatiently(batch: readonly Waiting[]): Promise<AppError | null> {
    for (const pause of [100, 300, 600, null]) {
      try {
        await send(batch)
        return null
      } catch (cause) {
        drop()
        const error = explain(cause)
        if (!PASSING.has(error.code) || pause === null || closed) return error
        await clock.sleep(pause)
      }
    }
    return null
  }

  async function run(): Promise<void> {
    running = true
    while (waiting.length > 0) {
      const batch = take()
      const error = await sendPatiently(batch)
      if (!error) {
        for (const { call } of batch) if (--call.left === 0) call.resolve()
      } else {
        const failed = new Set([...batch, ...waiting].map(item => item.call))
        waiting = []
        for (const call of failed) call.reject(error)
      }
    }
    running = false
  }

  return {
    append: events =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new AppError('The event log is closed.', { code: 'kafka.closed', intent: 'retry' }))
        if (events.length === 0) return resolve()
        const call = { left: events.length, resolve, reject }
        for (const event of events) waiting.push({ event, call })
        if (!running) void run()
      }),
    close: async () => {
      closed = true
      const last = producer
      producer = null
      await last?.then(found => found.disconnect()).catch(() => {})
    },
  }
}

/** Where Java's default partitioner puts a key, so that every producer and consumer of the topic agrees. */
export const partitionFor = (key: string, partitions: number): number => keyHash(key) % partitions
