import kafkajs, { type Admin } from 'kafkajs'
import { vi } from 'vitest'

/** The library alone, without anything of ours: what other programs on the same Kafka do. */
export async function bareClient(brokers: string, sasl?: { username: string; password: string }) {
  const client = new kafkajs.Kafka({
    brokers: brokers.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
    ...(sasl ? { sasl: { mechanism: 'plain', ...sasl } } : {}),
  })
  const admin = client.admin()
  await admin.connect()
  return { client, admin, close: () => admin.disconnect() }
}

/** Creates a topic and waits until it can be written; kafkajs' own wait gives up when the brokers do not know it yet. */
export async function createTopic(
  admin: Admin,
  topic: string,
  numPartitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false })
  await vi.waitFor(() => endOffsets(admin, topic), { timeout: 20_000, interval: 50 })
}

/** Committed offset by partition; -1: none. */
export async function committedOffsets(admin: Admin, group: string, topic: string): Promise<number[]> {
  const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  return [...(found?.partitions ?? [])].sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset))
}

/** Number of records by partition. */
export async function endOffsets(admin: Admin, topic: string): Promise<number[]> {
  const found = await admin.fetchTopicOffsets(topic)
  return [...found].sort((a, b) => a.partition - b.partition).map(({ high }) => Number(high))
}
