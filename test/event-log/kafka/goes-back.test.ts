import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { bareClient, committedOffsets, createTopic, endOffsets } from '../../helpers/kafka/client.ts'
import { type Recorder, record } from '../../helpers/kafka/consumer.ts'
import { memoryLog, openKafkaLog } from '../../helpers/kafka/log.ts'
import { startKafka, type TestKafka, unique } from '../../helpers/kafka.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 50 })
const orderIds = (taken: Recorder['taken']) => taken.map(({ event }) => event.orderId)

/** One event of each of these orders. */
const orders = (name: string, count: number, size = 0): EventRecord[] =>
  Array.from({ length: count }, (_, index) => {
    const event = eventRecord({ orderId: `${name}-${index}` })
    const note = `"note":"${'x'.repeat(size)}","order":`
    return size === 0 ? event : { ...event, body: event.body.replace('"order":', note) }
  })
/** What came of the orders so named; repeats are allowed everywhere. */
const seen = ({ taken }: Recorder, name: string) =>
  [...new Set(orderIds(taken))].filter(orderId => orderId.startsWith(name)).sort()
const idsOf = (events: readonly EventRecord[]) => events.map(({ orderId }) => orderId).sort()

describe.skipIf(!kafka)('an event log on Kafka that goes back', () => {
  const { brokers } = kafka as TestKafka
  let bare: Awaited<ReturnType<typeof bareClient>>
  let topic: string
  let group: string
  let logger: ReturnType<typeof memoryLog>
  const logs: EventLog[] = []
  beforeAll(async () => {
    bare = await bareClient(brokers)
  })
  afterAll(() => bare?.close())
  beforeEach(() => {
    topic = unique('back')
    group = unique('group')
    logger = memoryLog()
  })
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(options: Partial<KafkaLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaLog(brokers, { topic, log: logger.log, ...options })
    logs.push(log)
    return log
  }
  const close = async (log: EventLog) => {
    logs.splice(logs.indexOf(log), 1)
    await log.close()
  }

  const warnings = () =>
    logger.lines.filter(({ level, msg }) => level === 40 && msg.startsWith('The event log went back'))

  async function deleteTopic(): Promise<void> {
    await bare.admin.deleteTopics({ topics: [topic] })
  }

  /** What another program publishes, or a restored broker has: the log under test does not know. */
  async function append(events: readonly EventRecord[]): Promise<void> {
    const producer = bare.client.producer({ retry: { retries: 20 } })
    await producer.connect()
    const messages = events.map(({ orderKey, body }) => ({ key: orderKey, value: body }))
    for (let from = 0; from < messages.length; from += 50)
      await producer.send({ topic, messages: messages.slice(from, from + 50) })
    await producer.disconnect()
  }

  /** Writes positions as a broker restored with its group offsets has them. */
  async function commit(offset: number, metadata: string | null): Promise<void> {
    const consumer = bare.client.consumer({ groupId: group, retry: { retries: 20 } })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic] })
    // It must not fetch: from an offset that is not there kafkajs goes elsewhere, and commits that.
    const joined = new Promise<void>(resolve =>
      consumer.on(consumer.events.GROUP_JOIN, () => {
        consumer.pause([{ topic }])
        resolve()
      }),
    )
    await consumer.run({ autoCommit: false, eachMessage: async () => {} })
    await joined
    await consumer.commitOffsets([{ topic, partition: 0, offset: String(offset), metadata }])
    await consumer.disconnect()
  }

  const committedTotal = async () =>
    (await committedOffsets(bare.admin, group, topic)).reduce((sum, offset) => sum + Math.max(0, offset), 0)

  /** 20 orders through Kafka, all of them read and committed. */
  async function readTwenty(options: Partial<KafkaLogOptions> = {}) {
    const log = await open(options)
    const reader = await record(log, group)
    await log.append(orders('old', 20))
    await eventually(() => expect(reader.taken).toHaveLength(20))
    await eventually(async () => expect(await committedTotal()).toBe(20))
    return { log, reader }
  }

  test('is read from its beginning when the topic is deleted and made again while it is read, with one warning', async () => {
    const { log, reader } = await readTwenty()
    await deleteTopic()
    const fresh = orders('new', 20)
    await eventually(() => log.append(fresh))
    await eventually(() => expect(seen(reader, 'new')).toEqual(idsOf(fresh)))
    await eventually(() => expect(warnings()).toHaveLength(1))
    expect(log.notice()).toMatch(
      /^The event log went back: in topic ".*" (each of the partitions|partition) .*orderwire republish/,
    )
    expect(log.health()).toBeNull()
    const later = orders('later', 20)
    await log.append(later)
    await eventually(() => expect(seen(reader, 'later')).toEqual(idsOf(later)))
    await eventually(async () =>
      expect(await committedOffsets(bare.admin, group, topic)).toEqual(await endOffsets(bare.admin, topic)),
    )
    expect(warnings()).toHaveLength(1)
  })

  test('is read from its beginning when the topic was deleted and made again while nobody read, with one warning', async () => {
    const { log } = await readTwenty()
    await close(log)
    await deleteTopic()
    const again = await open()
    const fresh = orders('new', 25)
    await eventually(() => again.append(fresh))
    const reader = await record(again, group, { hasReadBefore: async () => true })
    await eventually(() => expect(seen(reader, 'new')).toEqual(idsOf(fresh)))
    await eventually(() => expect(warnings()).toHaveLength(1))
    expect(again.notice()).toContain('Kafka has no position of the group any more')
    await eventually(async () =>
      expect(await committedOffsets(bare.admin, group, topic)).toEqual(await endOffsets(bare.admin, topic)),
    )
  })

  test('a group that has never read causes no warning', async () => {
    const log = await open()
    const fresh = orders('new', 5)
    await log.append(fresh)
    const reader = await record(log, group, { hasReadBefore: async () => false })
    await eventually(() => expect(reader.taken).toHaveLength(5))
    await eventually(async () => expect(await committedTotal()).toBe(5))
    expect([warnings(), log.notice()]).toEqual([[], null])
  })

  test('is read from its beginning when a restored broker ends below the position', async () => {
    await createTopic(bare.admin, topic, 1)
    const restored = orders('restored', 7)
    await append(restored)
    await commit(20, null)
    const log = await open()
    const reader = await record(log, group)
    await eventually(() => expect(orderIds(reader.taken)).toEqual(restored.map(({ orderId }) => orderId)))
    // The position is replaced: a restart before anything else is settled reads no more again than this one.
    await eventually(async () => expect(await committedOffsets(bare.admin, group, topic)).toEqual([7]))
    await eventually(() => expect(warnings()).toHaveLength(1))
    expect(log.notice()).toContain('ends below what was read')
  })

  test('is read from its beginning when it was made again and has grown beyond the position while nobody read', async () => {
    const { log } = await readTwenty({ partitions: 1 })
    await close(log)
    const [found] = await bare.admin.fetchOffsets({ groupId: group, topics: [topic] })
    const metadata = found?.partitions[0]?.metadata ?? null
    expect(metadata).toMatch(/^orderwire:1:19:/)
    await deleteTopic()
    await createTopic(bare.admin, topic, 1)
    const fresh = orders('new', 33)
    await append(fresh)
    await commit(20, metadata)
    const again = await open()
    const reader = await record(again, group)
    await eventually(() => expect(orderIds(reader.taken)).toEqual(fresh.map(({ orderId }) => orderId)))
    await eventually(() => expect(warnings()).toHaveLength(1))
    expect(again.notice()).toContain('is not the log that was read')
  })

  test('a restart on the same log reads nothing again and logs no warning', async () => {
    const { log } = await readTwenty()
    await close(log)
    const again = await open()
    const reader = await record(again, group, { hasReadBefore: async () => true })
    const more = orders('more', 10)
    await again.append(more)
    await eventually(() => expect(orderIds(reader.taken).sort()).toEqual(idsOf(more)))
    await eventually(async () => expect(await committedTotal()).toBe(30))
    expect([warnings(), again.notice()]).toEqual([[], null])
  })

  test('is read from its beginning when it was made again and has grown beyond the position while fetching was paused', async () => {
    const log = await open({ partitions: 1 })
    const gate = Promise.withResolvers<void>()
    const reader = await record(log, group, {
      onBatch: () => (reader.taken.length > 1 ? gate.promise : Promise.resolve()),
    })
    await log.append(orders('old', 1))
    await eventually(async () => expect(await committedTotal()).toBe(1))
    for (const event of orders('large', 20, 100 * 1024)) await log.append([event])
    await eventually(() => expect(reader.taken.length).toBeGreaterThan(1))
    await deleteTopic()
    await createTopic(bare.admin, topic, 1)
    const fresh = orders('new', 40)
    await append(fresh)
    gate.resolve()
    await eventually(() => {
      expect(seen(reader, 'new')).toEqual(idsOf(fresh))
    })
    await eventually(() => expect(warnings().length).toBeGreaterThan(0))
  })

  test('names the events that retention deleted before they were read, and continues with the first event left', async () => {
    const log = await open({ partitions: 1 })
    const reader = await record(log, group)
    await log.append(orders('old', 3))
    await eventually(async () => expect(await committedTotal()).toBe(3))
    await close(log)
    await append(orders('lost', 4))
    await append(orders('kept', 2))
    await bare.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
    const again = await open()
    const after = await record(again, group)
    await eventually(() => expect(orderIds(after.taken)).toEqual(['kept-0', 'kept-1']))
    await eventually(() => expect(warnings()).toHaveLength(1))
    expect(warnings()[0]?.msg).toMatch(
      /lost events to its retention before they were read \(events 3 to 6 of partition 0\)/,
    )
    expect(orderIds(reader.taken)).toHaveLength(3)
  })
})
