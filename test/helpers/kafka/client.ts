import kafkajs, { type Admin } from 'kafkajs'

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
