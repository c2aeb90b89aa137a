import { spawn, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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
import { javaWithKafka, produceWithJava } from '../helpers/kafka/jars.ts'
import { openKafkaLog } from '../helpers/kafka/log.ts'
import { startKafka, unique } from '../helpers/kafka.ts'
import { sampleFolder, sampleWith, withOwnPackage } from '../helpers/samples.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'

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

describe.skipIf(!kafka)('what other programs find in the topic', () => {
  const brokers = kafka?.brokers ?? ''
  const topic = unique('order-events')
  const events = realEvents(40)
  let log: EventLog
  let received: Received[]

  beforeAll(async () => {
    log = await openKafkaLog(brokers, { topic, partitions: PARTITIONS })
    await log.append(events)
    received = await readWithAnotherClient(brokers, topic, all => all.length >= events.length)
  })
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

const isThere = (command: string) => spawnSync(command, ['--version']).status === 0

describe('a loop of docs/consuming.md', () => {
  const events = realEvents(3)
  const repeats = events.slice(0, 2)
  const expected = events.map(({ type, id }) => `${type} ${id}`).sort()
  let folder: Awaited<ReturnType<typeof sampleFolder>>
  beforeAll(async () => {
    folder = await sampleFolder()
  })
  afterAll(() => folder.remove())

  /** A topic that holds every event, and some of them twice. */
  async function filledTopic(): Promise<string> {
    const topic = unique('order-events')
    const log = await openKafkaLog(kafka?.brokers ?? '', { topic, partitions: PARTITIONS })
    // The third event of the first order comes behind the repeats, so whoever prints a repeat prints it before the end.
    await log.append(events.slice(0, 2))
    await log.append(repeats)
    await log.append(events.slice(2))
    await log.close()
    return topic
  }

  async function printedSample(language: string, containing: string, topic: string): Promise<string> {
    const code = await sampleWith('docs/consuming.md', language, containing)
    return withOwnPackage(code)
      .replace('127.0.0.1:9092', kafka?.brokers ?? '')
      .replace('"order-events"', JSON.stringify(topic))
      .replace("'order-events'", JSON.stringify(topic))
      .replaceAll(/(["'])billing\1/g, JSON.stringify(unique('billing')))
  }

  /** What the program prints until it has printed as many lines as there are events; a moment later it may not have printed more. */
  async function linesOf(command: string, args: readonly string[], env: object = {}): Promise<string[]> {
    const child = spawn(command, args, { cwd: folder.path, env: { ...process.env, ...env } })
    let [printed, errors, ended] = ['', '', false]
    child.stdout.on('data', chunk => (printed += chunk))
    child.stderr.on('data', chunk => (errors += chunk))
    const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
    void closed.then(() => {
      ended = true
    })
    const lines = () => printed.split('\n').filter(line => line.startsWith('order.') || line.startsWith('missing'))
    try {
      await until(`${command} printed each event`, () => ended || lines().length >= events.length, 90_000).catch(
        error => {
          throw new Error(`${error.message}\n${printed}\n${errors}`)
        },
      )
    } finally {
      child.kill('SIGKILL')
      await closed
    }
    return lines().sort()
  }

  test.skipIf(!kafka).each([
    ['kafkajs', "from 'kafkajs'"],
    ['@platformatic/kafka', "from '@platformatic/kafka'"],
  ])('with %s takes each event of the topic once', async (_, containing) => {
    const file = join(folder.path, `${unique('loop')}.ts`)
    await writeFile(file, await printedSample('ts', containing, await filledTopic()))
    expect(await linesOf(process.execPath, [file])).toEqual(expected)
  })

  test.skipIf(kafka?.from !== 'jars' || !isThere('javac'))(
    "with Java's client takes each event of the topic once",
    async () => {
      const file = join(folder.path, 'Billing.java')
      await writeFile(file, await printedSample('java', 'class Billing', await filledTopic()))
      expect(await linesOf('java', [...(await javaWithKafka()), file])).toEqual(expected)
    },
  )

  test.skipIf(!isThere('python3'))('in Python takes each event once, and says what is missing', async () => {
    const [first, second, third] = events
    const stream = [first, second, first, third, ...events.slice(4)].map(event => event?.body ?? '')
    await writeFile(
      join(folder.path, 'confluent_kafka.py'),
      `import json, sys
class Message:
    def __init__(self, text): self.text = text
    def error(self): return None
    def value(self): return self.text.encode()
class Consumer:
    def __init__(self, settings): self.left = [None] + json.loads(${JSON.stringify(JSON.stringify(stream))})
    def subscribe(self, topics): assert topics == ["order-events"]
    def poll(self, seconds):
        if not self.left: sys.exit(0)
        text = self.left.pop(0)
        return text and Message(text)
    def commit(self, message): pass
`,
    )
    await writeFile(join(folder.path, 'loop.py'), await sampleWith('docs/consuming.md', 'python', 'confluent_kafka'))
    const missed = events[3]
    const heard = expected.filter(line => !line.endsWith(missed?.id ?? ''))
    expect(await linesOf('python3', ['loop.py'])).toEqual([...heard, 'missing 1 to 1'].sort())
  })
})
