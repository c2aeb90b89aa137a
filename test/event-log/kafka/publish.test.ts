import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { bareClient, createTopic, endOffsets } from '../../helpers/kafka/client.ts'
import { record } from '../../helpers/kafka/consumer.ts'
import { openKafkaLog } from '../../helpers/kafka/log.ts'
import { freePorts } from '../../helpers/kafka/ports.ts'
import { startKafka, unique } from '../../helpers/kafka.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 50 })

describe.skipIf(!kafka)('publishing to Kafka', () => {
  const brokers = kafka?.brokers ?? ''
  let bare: Awaited<ReturnType<typeof bareClient>>
  const logs: EventLog[] = []
  beforeAll(async () => {
    bare = await bareClient(brokers)
  })
  afterAll(() => bare.close())
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(topic: string, options: Partial<KafkaLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaLog(brokers, { topic, ...options })
    logs.push(log)
    return log
  }

  /** Everything in the topic, by a consumer of our own. */
  async function contents(topic: string, count: number) {
    const reader = await record(await open(topic), unique('reader'))
    await eventually(() => expect(reader.taken.length).toBeGreaterThanOrEqual(count))
    return reader.taken
  }

  test('an absent topic is created with the partitions asked for, and keeps its events', async () => {
    const topic = unique('created')
    const log = await open(topic, { partitions: 5, replication: 1, retentionMs: 86_400_000 })
    await log.append([eventRecord()])
    expect(log.partitions).toBe(5)
    const { resources } = await bare.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic }],
    })
    const settings = new Map(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    )
    expect(settings.get('cleanup.policy')).toBe('delete')
    expect(settings.get('retention.ms')).toBe('86400000')
  })

  test('an existing topic is used as it is', async () => {
    const topic = unique('given')
    await createTopic(bare.admin, topic, 7, { 'retention.ms': '12345678' })
    const log = await open(topic, { partitions: 3, retentionMs: 1000 })
    await log.append([eventRecord()])
    expect(log.partitions).toBe(7)
    const { resources } = await bare.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic, configNames: ['retention.ms'] }],
    })
    expect(resources[0]?.configEntries[0]?.configValue).toBe('12345678')
  })

  test('a compacted topic is refused in one sentence, and nothing is written to it', async () => {
    const topic = unique('compacted')
    await createTopic(bare.admin, topic, 1, { 'cleanup.policy': 'compact' })
    const unfit = vi.fn()
    const log = await open(topic, { onUnfit: unfit })
    const error = await log.append([eventRecord()]).catch(found => found)
    expect(error).toBeInstanceOf(AppError)
    expect(error).toMatchObject({ intent: 'fix', code: 'kafka.compacted' })
    expect(error.message).toMatch(/cleanup\.policy "compact".*"delete"/)
    await expect(log.check(new AbortController().signal)).rejects.toThrow(error.message)
    expect(log.health()).toBe(error.message)
    expect(unfit).toHaveBeenCalledTimes(1)
    expect(await endOffsets(bare.admin, topic)).toEqual([0])
  })

  test('a replication that the brokers cannot give is one sentence', async () => {
    const log = await open(unique('replicated'), { replication: 3 })
    await expect(log.append([eventRecord()])).rejects.toThrow(/KAFKA_REPLICATION/)
  })

  test('many small appends at once stay in order and are counted as requests, not as events', async () => {
    const topic = unique('small')
    const metrics = createMetrics()
    const log = await open(topic, { metrics })
    const events = eventsOf('a', 400)
    await Promise.all(events.map(event => log.append([event])))
    expect((await contents(topic, 400)).map(({ event }) => event.sequence)).toEqual(events.map(event => event.sequence))
    const requests = (await metrics.publishSeconds.get()).values.find(({ metricName }) =>
      metricName?.endsWith('_count'),
    )
    expect(requests?.value).toBeGreaterThan(0)
    expect(requests?.value).toBeLessThan(20)
  })

  test('an event of several megabytes is written as well', async () => {
    const topic = unique('large')
    const log = await open(topic)
    const event = eventRecord()
    const body = event.body.replace('"order":', `"note":"${'lorem ipsum '.repeat(300_000)}","order":`)
    await log.append([{ ...event, body }, eventRecord({ sequence: 2 })])
    const taken = await contents(topic, 2)
    expect(taken[0]?.event.body).toBe(body)
    expect(taken[1]?.event.sequence).toBe(2)
  })

  test('it can be created before any broker is there, and failing again and again leaves nothing behind', async () => {
    const [port = 0] = await freePorts(1)
    const log = await openKafkaLog(`127.0.0.1:${port}`, { topic: unique('nowhere'), watch: false })
    const attempt = () => log.append([eventRecord()]).catch(() => 'failed')
    await attempt()
    const before = process.getActiveResourcesInfo().length
    for (let n = 0; n < 15; n++) expect(await attempt()).toBe('failed')
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before + 5)
    await log.close()
  })

  test('an unknown host is one sentence that names it', async () => {
    const log = await openKafkaLog('no-such-host.invalid:9092', { topic: unique('x'), watch: false })
    await expect(log.check(new AbortController().signal)).rejects.toThrow(/no-such-host\.invalid:9092.*KAFKA_BROKERS/)
    await expect(log.append([eventRecord()])).rejects.toMatchObject({ intent: 'retry' })
    await log.close()
  })

  test('checking says what is there and creates nothing', async () => {
    const topic = unique('unchecked')
    const log = await open(topic, { watch: false, partitions: 4 })
    expect(await log.check(new AbortController().signal)).toBe(
      `Kafka, 1 broker; topic "${topic}" is not there yet and is created at start (4 partitions)`,
    )
    expect(await bare.admin.listTopics()).not.toContain(topic)
    await log.append([eventRecord()])
    expect(await log.check(new AbortController().signal)).toBe(`Kafka, 1 broker, topic "${topic}" with 4 partitions`)
  })
})
