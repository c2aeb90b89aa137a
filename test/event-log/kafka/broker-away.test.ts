import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { type Recorder, record } from '../../helpers/kafka/consumer.ts'
import { memoryLog, openKafkaLog } from '../../helpers/kafka/log.ts'
import { type OwnKafka, startOwnKafka, unique } from '../../helpers/kafka.ts'

const kafka = await startOwnKafka()
afterAll(() => kafka?.stop())

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 50 })
const ids = (taken: Recorder['taken']) => taken.map(({ event }) => event.id)
const orders = (count: number, sequence = 1): EventRecord[] =>
  Array.from({ length: count }, (_, index) => eventRecord({ orderId: `o${index}`, sequence }))

describe.skipIf(!kafka)('a Kafka broker that is killed and started again', { timeout: 240_000 }, () => {
  const broker = kafka as OwnKafka
  const logs: EventLog[] = []
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(topic: string, options: Partial<KafkaLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaLog(broker.brokers, { topic, ...options })
    logs.push(log)
    return log
  }

  /** Everything in the topic, by a consumer of our own. */
  async function contents(topic: string, count: number) {
    const reader = await record(await open(topic), unique('reader'))
    await eventually(() => expect(reader.taken.length).toBeGreaterThanOrEqual(count))
    return reader.taken
  }

  test('after a broker restart reading goes on, nothing is lost, and health says what was', async () => {
    const log = await open(unique('restart'))
    const reader = await record(log, unique('group'))
    await log.append(orders(50))
    await eventually(() => expect(reader.taken).toHaveLength(50))
    await broker.kill()
    await eventually(() => expect(log.health()).toMatch(/Kafka at/))
    await broker.start()
    await eventually(() => log.append(orders(50, 2)))
    await eventually(() => expect(new Set(ids(reader.taken)).size).toBe(100))
    await eventually(() => expect(log.health()).toBeNull())
    for (const order of new Set(reader.taken.map(({ event }) => event.orderKey))) {
      const own = reader.taken.filter(({ event }) => event.orderKey === order).map(({ event }) => event.sequence)
      expect([...new Set(own)]).toEqual([1, 2])
    }
  })

  test('events queued behind a failed append fail with it, so that nothing overtakes', async () => {
    const topic = unique('behind')
    const log = await open(topic, { partitions: 1 })
    await log.append([eventRecord({ sequence: 1 })])
    await broker.kill()
    const results = await Promise.allSettled([2, 3, 4].map(sequence => log.append([eventRecord({ sequence })])))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await broker.start()
    for (const sequence of [2, 3, 4]) await eventually(() => log.append([eventRecord({ sequence })]))
    const firsts = [...new Set((await contents(topic, 4)).map(({ event }) => event.sequence))]
    expect(firsts).toEqual([1, 2, 3, 4])
  })

  test('while the broker is away appends fail with a reason, and work again when it is back', async () => {
    const topic = unique('away')
    const { log: logger, lines } = memoryLog()
    const log = await open(topic, { log: logger })
    await log.append([eventRecord({ sequence: 1 })])
    await broker.kill()
    await expect(log.append([eventRecord({ sequence: 2 })])).rejects.toMatchObject({
      intent: 'retry',
      code: 'kafka.unreachable',
    })
    expect(log.health()).toMatch(/Kafka at 127\.0\.0\.1/)
    await eventually(() => expect(lines.some(({ level, msg }) => level === 40 && /Kafka at/.test(msg))).toBe(true))
    await broker.start()
    await eventually(() => log.append([eventRecord({ sequence: 2 })]))
    await eventually(() => expect(log.health()).toBeNull())
    expect((await contents(topic, 2)).map(({ event }) => event.sequence)).toEqual([1, 2])
  })
})
