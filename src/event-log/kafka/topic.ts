import kafkajs, { type Admin } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'

export interface TopicWish {
  readonly topic: string
  /** Used when it is created. */
  readonly partitions: number
  /** Used when it is created; null: the brokers' default. */
  readonly replication: number | null
  /** Used when it is created, milliseconds; null: the brokers' default. */
  readonly retentionMs: number | null
}

/** Number of partitions; null: the topic does not exist. */
export async function partitionsOf(admin: Admin, topic: string): Promise<number | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.find(found => found.name === topic)?.partitions.length ?? null
  } catch (error) {
    if (isUnknownTopic(error)) return null
    throw error
  }
}

const isUnknownTopic = (error: unknown): boolean =>
  error instanceof Error &&
  ('type' in error ? error.type === 'UNKNOWN_TOPIC_OR_PARTITION' : isUnknownTopic(error.cause))

/** Creates the topic if it is absent, and refuses a compacted one. Never alters an existing topic. Returns its number of partitions. */
export async function ensureTopic(admin: Admin, wish: TopicWish, clock: Clock, log: Log): Promise<number> {
  const { topic, partitions, replication, retentionMs } = wish
  const there = await partitionsOf(admin, topic)
  if (there !== null) {
    await refuseCompacted(admin, topic, log)
    return there
  }
  const configEntries = [{ name: 'cleanup.policy', value: 'delete' }]
  if (retentionMs !== null) configEntries.push({ name: 'retention.ms', value: String(retentionMs) })
  const created = await admin.createTopics({
    topics: [{ topic, numPartitions: partitions, replicationFactor: replication ?? -1, configEntries }],
    // The wait of kafkajs fails if the broker that it asks does not know the topic yet.
    waitForLeaders: false,
  })
  if (created) log.info({ topic, partitions }, `created the Kafka topic "${topic}"`)
  for (let waited = 0; waited < 50; waited++) {
    const now = await partitionsOf(admin, topic)
    if (now !== null) {
      // Another process may have created it first, with other settings.
      if (!created) await refuseCompacted(admin, topic, log)
      return now
    }
    await clock.sleep(100)
  }
  throw new AppError(`Topic "${topic}" is not there yet, though it was created.`, {
    code: 'kafka.topic',
    intent: 'retry',
  })
}

/** Compaction keeps only the last event of each order key. */
export async function refuseCompacted(admin: Admin, topic: string, log: Log): Promise<void> {
  let policy: string
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
    })
    policy = resources[0]?.configEntries.find(entry => entry.configName === 'cleanup.policy')?.configValue ?? ''
  } catch (error) {
    // Reading the settings needs a permission of its own, which nothing else here needs.
    if (!/AUTHORIZATION|not authorized/i.test(messageOf(error))) throw error
    log.warn({ topic }, 'cannot see the settings of the Kafka topic; make sure that its cleanup.policy is "delete"')
    return
  }
  if (policy.includes('compact'))
    throw new AppError(
      `Topic "${topic}" has cleanup.policy "${policy}", which drops older events of an order; expected "delete": change it, or name another topic in KAFKA_TOPIC.`,
      { code: 'kafka.compacted', intent: 'fix' },
    )
}
