import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { bareClient, committedOffsets, createTopic, endOffsets } from '../../helpers/kafka/client.ts'
import { type Recorder, record } from '../../helpers/kafka/consumer.ts'
import { memoryLog, openKafkaLog } from '../../helpers/kafka/log.ts'
import { startKafka, type TestKafka, unique } from '../../helpers/kafka.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 50 })
const ids = (taken: Recorder['taken']) => taken.map(({ event }) => event.id)
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe.skipIf(!kafka)('consuming from Kafka', () => {
  const broker = kafka as TestKafka
  let bare: Awaited<ReturnType<typeof bareClient>>
  let topic: string
  let group: string
  const logs: EventLog[] = []
  beforeAll(async () => {
    bare = await bareClient(broker.brokers)
  })
  afterAll(() => bare.close())
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  /** Each is a member of its own, as a process would be. */
  async function open(options: Partial<KafkaLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaLog(broker.brokers, { topic, ...options })
    logs.push(log)
    return log
  }
  const fresh = (name: string) => {
    topic = unique(name)
    group = unique('group')
  }
  const orders = (count: number, sequence = 1): EventRecord[] =>
    Array.from({ length: count }, (_, index) => eventRecord({ orderId: `o${index}`, sequence }))

  test('a member gives its partitions up and commits before another member gets them', async () => {
    fresh('handover')
    const first = await open()
    await first.append(orders(60))
    const happened: string[] = []
    const gate = Promise.withResolvers<void>()
    const a = await record(first, group, { name: 'a ', happened, settle: false, revoked: () => gate.promise })
    await eventually(() => expect(a.taken).toHaveLength(60))
    const b = await record(await open(), group, { name: 'b ', happened })
    await eventually(() => expect(happened.at(-1)).toBe('a revoking 0,1,2'))
    // Offsets that become committable during a revoke still count.
    for (const { partition, position } of a.taken) a.consumption.committable(partition, position)
    expect(b.owned.size).toBe(0)
    gate.resolve()
    await eventually(() => expect(a.owned.size + b.owned.size).toBe(3))
    expect(happened.slice(0, 3)).toEqual(['a assigned 0,1,2', 'a revoking 0,1,2', 'a revoked 0,1,2'])
    expect(sum(await committedOffsets(bare.admin, group, topic))).toBe(60)
    await first.append(orders(60, 2))
    await eventually(() => expect(a.taken.length + b.taken.length).toBe(120))
    expect(b.taken.every(({ event }) => event.sequence === 2)).toBe(true)
  })

  test('a member that no longer holds the partition commits nothing', async () => {
    fresh('late')
    const first = await open()
    await first.append(orders(60))
    const a = await record(first, group, { settle: false })
    await eventually(() => expect(a.taken).toHaveLength(60))
    const b = await record(await open(), group, { settle: false })
    await eventually(() => expect(b.owned.size).toBeGreaterThan(0))
    await eventually(() => expect(a.taken.length + b.taken.length).toBe(120))
    const lost = a.taken.filter(({ partition }) => b.owned.has(partition))
    expect(lost.length).toBeGreaterThan(0)
    for (const { partition, position } of lost) a.consumption.committable(partition, position)
    await a.consumption.stop()
    await b.consumption.stop()
    expect(sum((await committedOffsets(bare.admin, group, topic)).map(offset => Math.max(0, offset)))).toBe(0)
  })

  test('a member whose event loop is held for 3 s keeps its partitions', async () => {
    fresh('held')
    const log = await open()
    const member = await record(log, group)
    await eventually(() => expect(member.happened).toEqual(['assigned 0,1,2']))
    for (let sequence = 1; sequence <= 2; sequence++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)
      await log.append(orders(60, sequence))
      await eventually(() => expect(member.taken).toHaveLength(60 * sequence))
    }
    expect(member.happened).toEqual(['assigned 0,1,2'])
    await eventually(async () => expect(sum(await committedOffsets(bare.admin, group, topic))).toBe(120))
  })

  test('a member that is killed is replaced once its session of 6 s is over', async () => {
    fresh('killed')
    await createTopic(bare.admin, topic, 3)
    const member = fork(new URL('../../helpers/kafka/member.ts', import.meta.url), [broker.brokers, topic, group])
    await once(member, 'message')
    const heir = await record(await open(), group)
    await eventually(() => expect([1, 2]).toContain(heir.owned.size))
    const begin = performance.now()
    member.kill('SIGKILL')
    await eventually(() => expect(heir.owned.size).toBe(3))
    // The session, a heartbeat of the heir, and its assignment take 8 s; a busy machine takes longer.
    expect(performance.now() - begin).toBeLessThan(18_000)
  })

  test('a member that needs longer than a session to give its partitions up stays in its group', async () => {
    fresh('thorough')
    const first = await open()
    await first.append(orders(60))
    const begun = Promise.withResolvers<number>()
    const gate = Promise.withResolvers<void>()
    const a = await record(first, group, {
      settle: false,
      revoked: () => {
        begun.resolve(performance.now())
        return gate.promise
      },
    })
    await eventually(() => expect(a.taken).toHaveLength(60))
    const b = await record(await open(), group)
    const begin = await begun.promise
    for (const { partition, position } of a.taken) a.consumption.committable(partition, position)
    await eventually(() => expect(performance.now() - begin).toBeGreaterThan(8_000))
    expect(b.owned.size).toBe(0)
    gate.resolve()
    await eventually(() => expect(b.owned.size).toBeGreaterThan(0))
    expect(sum(await committedOffsets(bare.admin, group, topic))).toBe(60)
    expect(b.taken).toEqual([])
  })

  test('a consumer that takes nothing in delays neither the group nor its own heartbeat', async () => {
    fresh('stuck')
    const first = await open()
    await first.append(orders(60))
    const a = await record(first, group, { settle: false, onBatch: () => new Promise(() => {}) })
    await eventually(() => expect(a.taken.length).toBeGreaterThan(0))
    const b = await record(await open(), group)
    await eventually(() => expect(b.owned.size).toBeGreaterThan(0))
    // In an orderly way, and not because the group gave it up for dead.
    expect(a.happened.slice(0, 3)).toEqual(['assigned 0,1,2', 'revoking 0,1,2', 'revoked 0,1,2'])
    await a.consumption.stop()
    await eventually(() => expect(b.taken).toHaveLength(60))
  })

  test('a large lag is read in order, once, within one assignment, with a slow consumer and bounded memory', async () => {
    fresh('lag')
    const log = await open()
    const note = 'x'.repeat(2_000)
    for (let sequence = 1; sequence <= 8; sequence++)
      await log.append(
        orders(500, sequence).map(event => ({
          ...event,
          body: event.body.replace('"order":', `"note":"${note}","order":`),
        })),
      )
    const release = Promise.withResolvers<void>()
    const reader = await record(log, group, { onBatch: () => release.promise })
    await eventually(() => expect(new Set(reader.taken.map(({ partition }) => partition)).size).toBe(3))
    const blocked = reader.taken.length
    // Another group reads all of it meanwhile, so there was time to read it here as well.
    const other = await record(await open(), unique('other'))
    await eventually(() => expect(other.taken).toHaveLength(4_000))
    expect(reader.taken).toHaveLength(blocked)
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200 * 2 ** 20)
    release.resolve()
    await eventually(() => expect(reader.taken).toHaveLength(4_000))
    expect(new Set(ids(reader.taken)).size).toBe(4_000)
    const last = new Map<string, number>()
    for (const { event } of reader.taken) {
      expect(event.sequence).toBe((last.get(event.orderKey) ?? 0) + 1)
      last.set(event.orderKey, event.sequence)
    }
    expect(reader.happened).toEqual(['assigned 0,1,2'])
    await eventually(async () => expect(sum(await committedOffsets(bare.admin, group, topic))).toBe(4_000))
  })

  test('foreign records are skipped with a log line, and are committed', async () => {
    fresh('foreign')
    const { log: logger, lines } = memoryLog()
    const log = await open({ partitions: 1, log: logger })
    await log.append([eventRecord({ sequence: 1 })])
    const producer = bare.client.producer()
    await producer.connect()
    const foreign = [
      '{"half":',
      'text',
      '{}',
      null,
      eventRecord({ sequence: 9 }).body.replace('"partitionkey":"', '"partitionkey":"other'),
    ]
    await producer.send({ topic, messages: foreign.map(value => ({ key: 'shop/1001', value })) })
    await log.append([eventRecord({ sequence: 2 })])
    await producer.send({ topic, messages: [{ value: 'at the end' }] })
    await producer.disconnect()
    const reader = await record(log, group)
    await eventually(() => expect(reader.taken).toHaveLength(2))
    expect(reader.taken.map(({ event }) => event.sequence)).toEqual([1, 2])
    await eventually(async () => expect(await committedOffsets(bare.admin, group, topic)).toEqual([8]))
    expect(lines.filter(({ msg }) => msg === 'skipped a record of the Kafka topic')).toHaveLength(6)
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('a topic whose broker compresses with %s is read', async codec => {
    fresh(codec)
    await createTopic(bare.admin, topic, 2, { 'compression.type': codec })
    const log = await open()
    const events = [...eventsOf('repeated', 300), ...orders(300)]
    await log.append(events)
    await log.append([eventRecord({ orderId: 'alone' })])
    const reader = await record(log, group)
    await eventually(() => expect(reader.taken).toHaveLength(601))
    const bodies = new Map(events.map(event => [event.id, event.body]))
    for (const { event } of reader.taken.filter(({ event }) => event.orderId !== 'alone'))
      expect(event.body).toBe(bodies.get(event.id))
  })

  test('transaction markers of other producers are passed over and committed', async () => {
    fresh('markers')
    const log = await open({ partitions: 1 })
    await log.append([eventRecord({ sequence: 1 })])
    const producer = bare.client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const write = async (finish: 'commit' | 'abort') => {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: finish }] })
      await transaction[finish]()
    }
    for (const finish of ['commit', 'abort', 'abort'] as const) await write(finish)
    const reader = await record(log, group)
    await eventually(() => expect(reader.taken).toHaveLength(1))
    await log.append([eventRecord({ sequence: 2 })])
    await eventually(() => expect(reader.taken.map(({ event }) => event.sequence)).toEqual([1, 2]))
    // Nothing but what was never committed stands behind the last event.
    await write('abort')
    await producer.disconnect()
    // 2 events, 4 foreign records, 4 markers.
    await eventually(async () => expect(await committedOffsets(bare.admin, group, topic)).toEqual([10]))
  })

  test('a batch that could not be taken in, and partitions that could not be taken over, are offered again', async () => {
    fresh('failing')
    const log = await open({ partitions: 1 })
    await log.append(eventsOf('a', 3))
    let [refusals, failures] = [2, 2]
    const taken: number[] = []
    const consumption = await log.consume({
      group,
      assigned: async () => {
        if (failures-- > 0) throw new Error('the store is away')
      },
      revoked: async () => {},
      onBatch: async (_, entries) => {
        if (refusals-- > 0) throw new Error('the store is away')
        taken.push(...entries.map(({ event }) => event.sequence))
      },
    })
    await eventually(() => expect(taken).toEqual([1, 2, 3]))
    await consumption.stop()
  })

  test('events that expired before they were read are reported, and reading goes on behind them', async () => {
    fresh('expired')
    const { log: logger, lines } = memoryLog()
    const log = await open({ partitions: 1, log: logger })
    await log.append(eventsOf('a', 10))
    const before = await record(log, group, { settle: false })
    await eventually(() => expect(before.taken).toHaveLength(10))
    before.consumption.committable(0, 1)
    await before.consumption.stop()
    expect(await endOffsets(bare.admin, topic)).toEqual([10])
    await bare.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] })
    const after = await record(log, group)
    await eventually(() => expect(after.taken.map(({ event }) => event.sequence)).toEqual([7, 8, 9, 10]))
    await eventually(() =>
      expect(lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/events 2 to 5 of partition 0/)),
    )
  })

  test('partitions added by an operator are read without a restart', async () => {
    fresh('grown')
    const log = await open({ partitions: 1 })
    const reader = await record(log, group)
    await eventually(() => expect(reader.owned.size).toBe(1))
    await bare.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await eventually(() => expect(log.partitions).toBe(3))
    const other = await record(await open(), group)
    await eventually(() => expect(reader.owned.size + other.owned.size).toBe(3))
  })

  test('the lag of what this process holds is a metric', async () => {
    fresh('measured')
    const metrics = createMetrics()
    const log = await open({ metrics, partitions: 1 })
    await log.append(eventsOf('a', 7))
    const reader = await record(log, group, { settle: false })
    await eventually(() => expect(reader.taken).toHaveLength(7))
    const lag = async () => (await metrics.consumerLag.get()).values
    await eventually(async () => expect(await lag()).toEqual([{ labels: { partition: '0' }, value: 7 }]))
    reader.consumption.committable(0, 4)
    await eventually(async () => expect(await lag()).toEqual([{ labels: { partition: '0' }, value: 2 }]))
  })
})
