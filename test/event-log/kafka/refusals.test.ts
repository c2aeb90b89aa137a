import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type EventLog, PartlyRefused } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import { tolerateLeaderlessPartitions } from '../../../src/event-log/kafka/leaderless.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { bareClient, createTopic, endOffsets } from '../../helpers/kafka/client.ts'
import { record } from '../../helpers/kafka/consumer.ts'
import { openKafkaLog } from '../../helpers/kafka/log.ts'
import { type KafkaProxy, kafkaProxy } from '../../helpers/kafka/proxy.ts'
import { startOwnKafka, unique } from '../../helpers/kafka.ts'

const NOT_ENOUGH_REPLICAS = 19
const INVALID_RECORD = 87

const proxy: KafkaProxy = await kafkaProxy()
const kafka = await startOwnKafka({ advertise: proxy.port })
proxy.target(kafka?.port ?? 0)
const brokers = `127.0.0.1:${proxy.port}`

afterAll(async () => {
  await kafka?.stop()
  await proxy.close()
})

const sequencesOf = (taken: readonly { event: EventRecord }[], orderId: string) =>
  taken.filter(({ event }) => event.orderId === orderId).map(({ event }) => event.sequence)

/** An event whose body has this text in it. */
function noted(orderId: string, note: string, sequence = 1): EventRecord {
  const event = eventRecord({ orderId, sequence })
  return { ...event, body: event.body.replace('"order":', `"note":"${note}","order":`) }
}
/** Text that does not become smaller when it is compressed. */
const dense = (bytes: number) => randomBytes(bytes / 2).toString('hex')

describe.skipIf(!kafka)('what Kafka refuses', () => {
  let bare: Awaited<ReturnType<typeof bareClient>>
  const logs: EventLog[] = []
  beforeAll(async () => {
    bare = await bareClient(brokers)
  })
  afterAll(() => bare.close())
  afterEach(async () => {
    proxy.loseAcknowledgements(false)
    for (const partition of [0, 1, 2]) proxy.refuse(partition, null)
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(topic: string, options: Partial<KafkaLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaLog(brokers, { topic, ...options })
    logs.push(log)
    return log
  }

  async function contents(topic: string, count: number) {
    const reader = await record(await open(topic), unique('reader'))
    await vi.waitFor(() => expect(reader.taken.length).toBeGreaterThanOrEqual(count), { timeout: 60_000, interval: 50 })
    return reader.taken
  }

  const total = async (topic: string) => (await endOffsets(bare.admin, topic)).reduce((sum, end) => sum + end, 0)

  /** What an append was refused; throws where it was refused as a whole. */
  const refusals = (log: EventLog, events: readonly EventRecord[]) =>
    log.append(events).then(
      () => [],
      error => {
        if (error instanceof PartlyRefused) return error.refusals
        throw error
      },
    )

  test('a batch that was written although it failed does not make the broker drop the next one', async () => {
    const topic = unique('unacknowledged')
    const log = await open(topic, { partitions: 1 })
    await log.append([eventRecord({ orderId: 'first' })])
    proxy.loseAcknowledgements(true)
    const lost = eventRecord({ orderId: 'lost' })
    await expect(log.append([lost])).rejects.toMatchObject({ intent: 'retry' })
    proxy.loseAcknowledgements(false)
    await vi.waitFor(() => log.append([eventRecord({ orderId: 'next' })]), { timeout: 60_000 })
    await log.append([lost])
    const orders = (await contents(topic, 4)).map(({ event }) => event.orderId)
    expect(new Set(orders)).toEqual(new Set(['first', 'lost', 'next']))
  })

  test('200 small orders at once fit a topic with max.message.bytes=100000', async () => {
    const topic = unique('narrow')
    await createTopic(bare.admin, topic, 1, { 'max.message.bytes': '100000' })
    const log = await open(topic)
    await log.append(Array.from({ length: 200 }, (_, n) => noted(`o-${n}`, 'x'.repeat(1_000))))
    expect(await total(topic)).toBe(200)
    expect(log.fits?.(noted('o', 'x'.repeat(98_000)))).toBe(true)
    expect(log.fits?.(noted('o', 'x'.repeat(100_000)))).toBe(false)
  })

  test('batches are measured in bytes of UTF-8: CJK titles near the default limit of 1 MB', async () => {
    const topic = unique('cjk')
    await createTopic(bare.admin, topic, 1)
    const log = await open(topic)
    const events = Array.from({ length: 12 }, (_, n) => noted(`o-${n}`, '大'.repeat(80_000)))
    await log.append([...events, noted('large', '大'.repeat(290_000))])
    expect(await total(topic)).toBe(13)
    expect(log.fits?.(noted('o', '大'.repeat(345_000)))).toBe(true)
    expect(log.fits?.(noted('o', '大'.repeat(350_000)))).toBe(false)
  })

  test('a batch that is too large is halved until the topic takes it, and nothing is written twice', async () => {
    const topic = unique('shrunk')
    const log = await open(topic, { partitions: 2, watch: false })
    await log.append([eventRecord({ orderId: 'first' })])
    // Seen by nobody: the log knows the former limit only.
    await bare.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [{ name: 'max.message.bytes', value: '20000' }] }],
    })
    const events = Array.from({ length: 100 }, (_, n) => eventsOf(`o-${n}`, 2)).flat()
    await log.append(events)
    expect(await total(topic)).toBe(201)
    const taken = await contents(topic, 201)
    for (let n = 0; n < 100; n++) expect(sequencesOf(taken, `o-${n}`)).toEqual([1, 2])
  })

  test('one event that is too large is refused by itself, with what is behind it of its order', async () => {
    const topic = unique('single')
    await createTopic(bare.admin, topic, 1, { 'max.message.bytes': '20000' })
    const log = await open(topic)
    const events = [
      ...eventsOf('a', 2),
      noted('large', dense(60_000)),
      eventRecord({ orderId: 'large', sequence: 2 }),
      ...eventsOf('b', 2),
    ]
    const refused = await refusals(log, events)
    expect(refused.map(({ event, partition }) => [event.orderId, event.sequence, partition])).toEqual([
      ['large', 1, null],
      ['large', 2, null],
    ])
    expect(refused[0]?.error).toMatchObject({
      code: 'kafka.too_large',
      message: expect.stringMatching(/evt_shop\.large\.1.*60\d{3} bytes/),
    })
    expect(await total(topic)).toBe(4)
  })

  test('a partition that refuses keeps back its own orders only, and nothing else is sent again', async () => {
    const topic = unique('sick')
    const log = await open(topic, { partitions: 3 })
    await log.append([eventRecord({ orderId: 'first' })])
    const events = Array.from({ length: 60 }, (_, n) => eventRecord({ orderId: `o-${n}` }))
    const sick = events.filter(({ orderKey }) => log.partitionOf(orderKey) === 1)
    proxy.refuse(1, NOT_ENOUGH_REPLICAS)
    const refused = await refusals(log, events)
    expect(refused.map(({ event }) => event.id).sort()).toEqual(sick.map(({ id }) => id).sort())
    expect(new Set(refused.map(({ partition }) => partition))).toEqual(new Set([1]))
    // Again and again, with new events of the others, which are not delayed by it.
    const more = Array.from({ length: 10 }, (_, n) => eventRecord({ orderId: `more-${n}` })).filter(
      ({ orderKey }) => log.partitionOf(orderKey) !== 1,
    )
    for (let n = 0; n < 3; n++) {
      const [again, fresh] = await Promise.all([refusals(log, sick), refusals(log, more.slice(n, n + 1))])
      expect([again.length, fresh.length]).toEqual([sick.length, 0])
    }
    proxy.refuse(1, null)
    expect(await refusals(log, sick)).toEqual([])
    const taken = await contents(topic, 61)
    const healthy = taken.filter(({ partition }) => partition !== 1).map(({ event }) => event.id)
    expect(new Set(healthy).size).toBe(healthy.length)
    const expected = [...events, ...more.slice(0, 3), eventRecord({ orderId: 'first' })].map(({ id }) => id)
    expect(new Set(taken.map(({ event }) => event.id))).toEqual(new Set(expected))
  })

  test('a partition that takes no record at all is not asked for each of them', async () => {
    const topic = unique('picky')
    const log = await open(topic, { partitions: 1 })
    await log.append([eventRecord({ orderId: 'first' })])
    proxy.refuse(0, INVALID_RECORD)
    const events = Array.from({ length: 200 }, (_, n) => eventRecord({ orderId: `o-${n}` }))
    const refused = await refusals(log, events)
    expect(refused).toHaveLength(200)
    expect(refused.filter(({ partition }) => partition === null).length).toBeLessThan(20)
    expect(refused.every(({ error }) => error.code === 'kafka.record')).toBe(true)
    proxy.refuse(0, null)
    expect(await refusals(log, events)).toEqual([])
  })
})

test('a topic with one leaderless partition works for the others', async () => {
  const require = createRequire(import.meta.url)
  tolerateLeaderlessPartitions()
  for (const version of [0, 1, 2, 3, 4, 5, 6]) {
    const { parse } = require(`kafkajs/src/protocol/requests/metadata/v${version}/response`)
    const answer = (topicErrorCode: number, partitionErrorCode: number) => ({
      topicMetadata: [{ topicErrorCode, partitionMetadata: [{ partitionErrorCode, partitionId: 1, leader: -1 }] }],
    })
    expect((await parse(answer(0, 5))).topicMetadata[0].partitionMetadata[0]).toMatchObject({ leader: -1 })
    await expect(parse(answer(0, 3))).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await expect(parse(answer(5, 0))).rejects.toMatchObject({ type: 'LEADER_NOT_AVAILABLE' })
  }
})
