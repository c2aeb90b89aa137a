/**
 * What the event log costs on top of kafkajs, as ratios: run by hand (`node test/bench/kafka.ts`), never asserted.
 * Publishing 500 events a call and consuming with nothing to do, 1 KB an event, 12 partitions, one broker; then one idle process.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { headersOf } from '../../src/event-log/kafka/record.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { openKafkaLog } from '../helpers/kafka/log.ts'
import { startKafka, unique } from '../helpers/kafka.ts'

const EVENTS = 100_000
const BATCH = 500

const kafka = await startKafka()
if (!kafka) process.exit(1)
const { brokers } = kafka

const padding = 'x'.repeat(500)
const batches: EventRecord[][] = []
for (let from = 0; from < EVENTS; from += BATCH)
  batches.push(
    Array.from({ length: BATCH }, (_, index) => {
      const event = eventRecord({
        orderId: `order-${(from + index) % 5000}`,
        sequence: 1 + Math.floor((from + index) / 5000),
      })
      return { ...event, body: event.body.replace('"order":', `"note":"${padding}","order":`) }
    }),
  )

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return EVENTS / ((performance.now() - from) / 1000)
}

async function plain(): Promise<{ publish: number; consume: number }> {
  const topic = unique('bench-plain')
  const client = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 12 }] })
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const publish = await timed(async () => {
    for (const batch of batches)
      await producer.send({
        topic,
        messages: batch.map(event => ({ key: event.orderKey, value: event.body, headers: headersOf(event) })),
      })
  })
  await producer.disconnect()
  const consumer = client.consumer({ groupId: unique('bench') })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let count = 0
  let first = 0
  const all = Promise.withResolvers<void>()
  await consumer.run({
    eachBatch: async ({ batch }) => {
      first ||= performance.now()
      count += batch.messages.length
      if (count >= EVENTS) all.resolve()
    },
  })
  await all.promise
  const consume = EVENTS / ((performance.now() - first) / 1000)
  await consumer.disconnect()
  await admin.disconnect()
  return { publish, consume }
}

async function ours(): Promise<{ publish: number; consume: number; idle: number }> {
  const log = await openKafkaLog(brokers, { topic: unique('bench-ours'), partitions: 12 })
  await log.append([])
  const publish = await timed(async () => {
    for (const batch of batches) await log.append(batch)
  })
  let count = 0
  let first = 0
  const all = Promise.withResolvers<void>()
  const consumption = await log.consume({
    group: unique('bench'),
    assigned: async () => {},
    revoked: async () => {},
    onBatch: async (partition, entries) => {
      first ||= performance.now()
      count += entries.length
      const last = entries.at(-1)
      if (last) consumption.committable(partition, last.position)
      if (count >= EVENTS) all.resolve()
    },
  })
  await all.promise
  const consume = EVENTS / ((performance.now() - first) / 1000)
  await sleep(2_000)
  const from = process.cpuUsage()
  await sleep(10_000)
  const { user, system } = process.cpuUsage(from)
  await log.close()
  return { publish, consume, idle: (user + system) / 10_000_000 }
}

const alone = await plain()
const log = await ours()
const rate = (value: number) => `${Math.round(value).toLocaleString('en')}/s`
const ratio = (mine: number, theirs: number) => `${(mine / theirs).toFixed(2)} of kafkajs alone (${rate(theirs)})`
console.log(`publish, 500 a call: ${rate(log.publish)}, ${ratio(log.publish, alone.publish)}`)
console.log(`consume, no-op:      ${rate(log.consume)}, ${ratio(log.consume, alone.consume)}`)
console.log(
  `idle, consuming:     ${(log.idle * 100).toFixed(2)} % of one core, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`,
)
await kafka.stop()
