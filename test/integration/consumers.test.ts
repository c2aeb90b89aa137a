import {
  Consumer,
  compatibilityPartitioner,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { type CloudEventV1, HTTP, Kafka as KafkaBinding, type KafkaEvent } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OrderEvent } from '../../schemas/order-event.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { observer } from '../helpers/decided.ts'
import { produceWithJava } from '../helpers/kafka/jars.ts'
import { openKafkaLog } from '../helpers/kafka/log.ts'
import { startKafka, unique } from '../helpers/kafka.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

const PARTITIONS = 7

/** Events as ingest makes them: each order paid, then shipped in two packages. */
function realEvents(orders: number): EventRecord[] {
  return Array.from({ length: orders }, (_, index) => {
    const orderId = `${288263 + index}-0042${index}`
    const { decision } = observer('kk').see(
      snapshot({ orderId, paid: paid(), packages: [parcel('p-1'), parcel('p-2')] }),
    )
    return decision.events
  }).flat()
}

interface Received {
  readonly key: string
  readonly value: string
  readonly partition: number
  readonly headers: ReadonlyMap<string, string>
}

/** Reads a topic from its beginning, until it has seen enough, with a client that is not ours. */
async function readWithAnotherClient(
  brokers: string,
  topic: string,
  enough: (received: readonly Received[]) => boolean,
): Promise<Received[]> {
  const consumer = new Consumer({
    groupId: unique('other'),
    clientId: 'another',
    bootstrapBrokers: brokers.split(','),
    deserializers: stringDeserializers,
  })
  const received: Received[] = []
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: true })
  const places = new Set<string>()
  for await (const { key, value, partition, offset, headers } of stream) {
    // This client may fetch a record twice; the topic holds it once.
    const place = `${partition}/${offset}`
    if (places.has(place)) continue
    places.add(place)
    received.push({ key, value, partition, headers })
    if (enough(received)) break
  }
  await consumer.close(true)
  return received
}

/** Partition by key, of the records with this value. */
const written = (received: readonly Received[], mark: string): ReadonlyMap<string, number> =>
  new Map(received.filter(({ value }) => value === mark).map(({ key, partition }) => [key, partition]))

describe.skipIf(!kafka)('what other programs find in the topic', { timeout: 60_000 }, () => {
  const brokers = kafka?.brokers ?? ''
  const topic = unique('order-events')
  const events = realEvents(40)
  let log: EventLog
  let received: Received[]

  beforeAll(async () => {
    log = await openKafkaLog(brokers, { topic, partitions: PARTITIONS })
    await log.append(events)
    received = await readWithAnotherClient(brokers, topic, all => all.length >= events.length)
  }, 60_000)
  afterAll(() => log?.close())

  test('every event once, the bytes that were stored, in the order of each order', () => {
    expect(received.map(({ value }) => value).sort()).toEqual(events.map(({ body }) => body).sort())
    for (const orderKey of new Set(events.map(event => event.orderKey))) {
      const own = received.filter(({ key }) => key === orderKey)
      expect(own.map(({ value }) => JSON.parse(value).data.sequence)).toEqual([1, 2, 3])
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1)
    }
  })

  test('the key is the partitionkey, and each event is valid by its own schema', () => {
    for (const { key, value } of received) expect(OrderEvent.parse(JSON.parse(value)).partitionkey).toBe(key)
  })

  test('the headers tell the format, the id and the type', () => {
    for (const { headers, value } of received) {
      const event = JSON.parse(value)
      expect(Object.fromEntries(headers)).toEqual({
        'content-type': 'application/cloudevents+json; charset=utf-8',
        ce_id: event.id,
        ce_type: event.type,
      })
    }
  })

  test('the official CloudEvents library reads each record as one valid structured event', () => {
    for (const { key, value, headers } of received) {
      const message = { headers: Object.fromEntries(headers), key, value, body: value } as unknown as KafkaEvent<never>
      expect(KafkaBinding.isEvent(message as never)).toBe(true)
      const event = HTTP.toEvent({
        headers: { 'content-type': headers.get('content-type') ?? '' },
        body: value,
      }) as CloudEventV1<unknown> & {
        validate(): boolean
      }
      expect(event.validate()).toBe(true)
      expect(event).toMatchObject({
        specversion: '1.0',
        id: headers.get('ce_id'),
        type: headers.get('ce_type'),
        partitionkey: key,
      })
    }
  })

  test.skipIf(kafka?.from !== 'jars')("keys are where Java's own producer puts them", async () => {
    const placed = unique('java')
    const probe = await openKafkaLog(brokers, { topic: placed, partitions: PARTITIONS })
    await probe.append(events)
    await probe.close()
    const keys = [...new Set(events.map(event => event.orderKey))]
    await produceWithJava(brokers, placed, keys)
    const all = await readWithAnotherClient(
      brokers,
      placed,
      all => written(all, 'java').size >= keys.length && all.length >= events.length + keys.length,
    )
    const place = (mine: boolean) =>
      new Map(all.filter(({ value }) => (value !== 'java') === mine).map(({ key, partition }) => [key, partition]))
    expect(place(false).size).toBe(keys.length)
    expect(place(false)).toEqual(place(true))
  })

  test('keys are where the default partitioner of another client puts them', async () => {
    const placed = unique('placed')
    const probe = await openKafkaLog(brokers, { topic: placed, partitions: PARTITIONS })
    await probe.append(events.slice(0, 1))
    await probe.close()
    const producer = new Producer({
      clientId: 'another',
      bootstrapBrokers: brokers.split(','),
      serializers: stringSerializers,
      // Its name for what Java does.
      partitioner: compatibilityPartitioner,
    })
    const keys = [...new Set(events.map(event => event.orderKey))]
    await producer.send({ messages: keys.map(key => ({ topic: placed, key, value: 'probe' })) })
    await producer.close()
    const all = await readWithAnotherClient(brokers, placed, found => written(found, 'probe').size >= keys.length)
    const theirs = written(all, 'probe')
    const ours = new Map(received.map(({ key, partition }) => [key, partition]))
    expect(theirs).toEqual(ours)
    expect(new Set(ours.values()).size).toBeGreaterThan(1)
    for (const [key, partition] of ours) expect(log.partitionOf(key)).toBe(partition)
  })
})
