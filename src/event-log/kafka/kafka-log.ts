import type { KafkaSasl } from '../../config/kafka-settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { partitionFor } from '../../lib/murmur2.ts'
import type { TlsFiles } from '../../lib/tls-files.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type EventLog, PartlyRefused } from '../event-log.ts'
import { adminHolder } from './admin.ts'
import { kafkaClient, type Patience } from './client.ts'
import { consumeFromKafka, type KafkaConsumption } from './consume.ts'
import { explain } from './kafka-errors.ts'
import { createNotices } from './notices.ts'
import { contradictionOf } from './position.ts'
import { createPublisher } from './publish.ts'
import { createSizeLimit } from './size.ts'
import { ensureTopic, partitionsOf, refuseCompacted } from './topic.ts'

export interface KafkaLogOptions {
  /** `host:port` each. */
  readonly brokers: readonly string[]
  readonly tls: TlsFiles | null
  readonly sasl: KafkaSasl | null
  readonly clientId: string
  readonly topic: string
  /** The consumer group; `check` finds out whether we may use it. */
  readonly group?: string
  /** Used when the topic is created. */
  readonly partitions: number
  /** Used when the topic is created; null: the brokers' default. */
  readonly replication: number | null
  /** Used when the topic is created, milliseconds; null: the brokers' default (often a week). */
  readonly retentionMs?: number | null
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** False: connects to nothing until `check` is called. */
  readonly watch?: boolean
  /** The topic cannot be used (compacted), or its settings are impossible: waiting does not help. Called once. */
  readonly onUnfit?: (error: AppError) => void
}

const WATCH_MS = 5_000
/** How often the batch limit of the topic is read. */
const SIZE_EVERY_MS = 60_000
/** Maximum bytes of a partition's batch, even if the topic takes more. */
const MOST_BYTES = 512 * 1024

/**
 * The event log on Kafka. It is created without waiting for a broker. While no broker answers, `append` rejects with intent `retry`,
 * consumers wait, and `health` says why.
 */
export async function createKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const { brokers, topic, group, clock, log, metrics } = options
  const wish = {
    topic,
    partitions: options.partitions,
    replication: options.replication,
    retentionMs: options.retentionMs ?? null,
  }
  const client = (patience?: Patience) => kafkaClient(options, patience)
  const explained = (error: unknown, asGroup = group) => explain(error, { brokers, topic, group: asGroup })
  const admin = adminHolder(() => client())
  const consumptions = new Set<KafkaConsumption>()
  const notices = createNotices({ topic, clock, log, metrics })
  const closing = new AbortController()
  /** Number of partitions of the topic; null: not known yet. */
  let found: number | null = null
  let problem: AppError | null = new AppError(`Kafka at ${brokers.join(', ')} was not reached yet.`, {
    code: 'kafka.unreachable',
    intent: 'retry',
  })
  let publishProblem: AppError | null = null
  let looking: Promise<void> | null = null
  let unfit = false
  let said: string | null = null

  /** Logs a message once, not at every attempt. */
  function say(error: AppError): void {
    if (error.message === said) return
    said = error.message
    log.warn({ code: error.code }, error.message)
  }

  function note(error: AppError | null): void {
    if (error?.message === problem?.message) return
    problem = error
    if (error) say(error)
    else {
      said = null
      log.info({ topic, partitions: found }, 'Kafka answers')
    }
    if (error?.intent === 'fix' && !unfit) {
      unfit = true
      options.onUnfit?.(error)
    }
  }

  const size = createSizeLimit({ topic, most: MOST_BYTES, now: clock.monotonic })
  let sizeDueAt = 0

  async function look(): Promise<void> {
    try {
      await admin.use(async connected => {
        const there = found === null ? null : await partitionsOf(connected, topic)
        const isGone = found !== null && there === null
        found = there ?? (await ensureTopic(connected, wish, clock, log))
        if (isGone) for (const consumption of consumptions) consumption.doubt()
        if (!isGone && clock.monotonic() < sizeDueAt) return
        await size.refresh(connected)
        sizeDueAt = clock.monotonic() + SIZE_EVERY_MS
      })
      note(null)
    } catch (error) {
      const why = explained(error)
      note(why)
      throw why
    }
  }

  const seen = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = null
    })
    return looking
  }

  const ready = async (): Promise<void> => {
    if (found === null) await seen()
  }

  const publisher = createPublisher({
    ...{ client, ready, topic, size, clock, metrics, explain: explained },
    partitions: () => found ?? options.partitions,
  })

  async function measure({ group: of, owned, compare }: KafkaConsumption): Promise<void> {
    const mine = new Set(owned())
    if (mine.size === 0) return
    await admin.use(async connected => {
      const ends = await connected.fetchTopicOffsets(topic)
      compare(new Map(ends.map(({ partition, high }) => [partition, Number(high)])))
      const [read] = await connected.fetchOffsets({ groupId: of, topics: [topic] })
      const committed = new Map(read?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
      metrics.consumerLag.reset()
      for (const { partition, high, low } of ends)
        if (mine.has(partition))
          metrics.consumerLag.set(
            { partition: String(partition) },
            Number(high) - Math.max(committed.get(partition) ?? -1, Number(low)),
          )
    })
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await seen()
        for (const consumption of consumptions) await measure(consumption)
      } catch {
        // `look` has logged it. The lag is not known while Kafka does not answer.
      }
      await clock.sleep(WATCH_MS, closing.signal)
    }
  }
  if (options.watch !== false) void watch()

  return {
    commitPublishes: false,
    ownsAllPartitions: false,
    get partitions() {
      return found ?? options.partitions
    },
    partitionOf: orderKey => partitionFor(orderKey, found ?? options.partitions),

    async append(events) {
      try {
        await publisher.append(events)
        publishProblem = null
      } catch (error) {
        if (error instanceof PartlyRefused) {
          publishProblem = null
          if (error.refusals.some(refusal => refusal.error.code === 'kafka.too_large')) sizeDueAt = 0
          throw error
        }
        publishProblem = explained(error)
        throw publishProblem
      }
    },
    fits: size.fits,

    async consume(consumer) {
      const consumption = consumeFromKafka({
        client,
        admin: admin.use,
        topic,
        consumer,
        ready,
        explain: error => explained(error, consumer.group),
        onProblem: say,
        onMisfit: notices.add,
        clock,
        log,
      })
      consumptions.add(consumption)
      return {
        committable: consumption.committable,
        caughtUp: consumption.caughtUp,
        holds: consumption.holds,
        stop: async () => {
          consumptions.delete(consumption)
          await consumption.stop()
        },
      }
    },

    health: () => {
      const reading = [...consumptions].map(consumption => consumption.problem()).find(error => error !== null)
      return (problem ?? publishProblem ?? reading)?.message ?? null
    },

    notice: notices.text,

    async contradiction() {
      if (group === undefined) return null
      try {
        return await admin.use(connected => contradictionOf(connected, topic, group))
      } catch (error) {
        throw explained(error)
      }
    },

    async check(signal) {
      const once = adminHolder(() => client())
      const late = new Promise<never>((_, reject) => {
        const give = () =>
          reject(
            new AppError(`Kafka at ${brokers.join(', ')} did not answer in time; check KAFKA_BROKERS and KAFKA_SSL.`, {
              code: 'kafka.unreachable',
              intent: 'retry',
            }),
          )
        if (signal.aborted) give()
        signal.addEventListener('abort', give, { once: true })
      })
      const asked = once.use(async connected => {
        const cluster = await connected.describeCluster()
        const size = `${cluster.brokers.length} broker${cluster.brokers.length === 1 ? '' : 's'}`
        const partitions = await partitionsOf(connected, topic)
        if (partitions === null)
          return `Kafka, ${size}; topic "${topic}" is not there yet and is created at start (${options.partitions} partitions)`
        await refuseCompacted(connected, topic, log)
        if (group) await connected.fetchOffsets({ groupId: group, topics: [topic] })
        return `Kafka, ${size}, topic "${topic}" with ${partitions} partitions`
      })
      asked.catch(() => {})
      try {
        return await Promise.race([asked, late])
      } catch (error) {
        throw explained(error)
      } finally {
        void once.close()
      }
    },

    async close() {
      closing.abort()
      notices.close()
      await Promise.all([...consumptions].map(consumption => consumption.stop()))
      consumptions.clear()
      await Promise.all([publisher.close(), admin.close()])
    },
  }
}
