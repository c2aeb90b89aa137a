import { createRequire } from 'node:module'
import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { kafkaClient } from '../../../src/event-log/kafka/client.ts'
import { explain } from '../../../src/event-log/kafka/kafka-errors.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { memoryLog } from '../../helpers/kafka/log.ts'

const require = createRequire(import.meta.url)
const target = { brokers: ['k1:9092', 'k2:9092'], topic: 'order-events', group: 'orderwire-dispatch' }

describe('the internals of kafkajs', () => {
  kafkaClient({
    brokers: ['127.0.0.1:1'],
    tls: null,
    sasl: null,
    clientId: 't',
    clock: systemClock(),
    log: memoryLog().log,
  })
  const RequestQueue = require('kafkajs/src/network/requestQueue')
  const queue = (maxInFlightRequests: number | null) =>
    new RequestQueue({
      maxInFlightRequests,
      requestTimeout: 1000,
      enforceRequestTimeout: false,
      clientId: 't',
      broker: 'b',
      logger: { debug() {}, warn() {} },
    })
  const request = (correlationId: number, sent: number[]) => ({
    entry: { correlationId, resolve() {}, reject() {} },
    expectResponse: true,
    sendRequest: () => void sent.push(correlationId),
  })

  test('an answered request leaves no timer behind, so that an idle connection burns no CPU', () => {
    const idle = queue(null)
    idle.push(request(1, []))
    idle.fulfillRequest({ correlationId: 1, payload: null, size: 0 })
    expect(idle.pending).toEqual([])
    expect(idle.throttleCheckTimeoutId).toBeNull()
  })

  test('a throttled request still gets its timer, and goes out', async () => {
    const throttled = queue(null)
    const sent: number[] = []
    throttled.maybeThrottle(30)
    throttled.push(request(1, sent))
    expect(sent).toEqual([])
    expect(throttled.throttleCheckTimeoutId).not.toBeNull()
    await expect.poll(() => sent).toEqual([1])
    throttled.destroy()
  })

  test('a request beyond the window goes out when one before it is answered', () => {
    const full = queue(1)
    const sent: number[] = []
    full.push(request(1, sent))
    full.push(request(2, sent))
    expect(sent).toEqual([1])
    full.fulfillRequest({ correlationId: 1, payload: null, size: 0 })
    expect(sent).toEqual([1, 2])
    full.destroy()
  })

  test('a batch says which offset it was asked for', () => {
    const Batch = require('kafkajs/src/consumer/batch')
    expect(new Batch('t', '42', { partition: 0, highWatermark: '0', messages: [] }).fetchedOffset).toBe('42')
  })

  test.each(['Snappy', 'LZ4', 'ZSTD', 'GZIP'] as const)('batches in %s can be read', async name => {
    const { CompressionCodecs, CompressionTypes } = kafkajs
    const codec = CompressionCodecs[CompressionTypes[name]]
    expect(() => codec()).not.toThrow()
  })
})

describe('errors of Kafka are one sentence that says what to do', () => {
  const {
    KafkaJSConnectionError,
    KafkaJSNumberOfRetriesExceeded,
    KafkaJSSASLAuthenticationError,
    KafkaJSProtocolError,
  } = kafkajs as unknown as Record<
    | 'KafkaJSConnectionError'
    | 'KafkaJSNumberOfRetriesExceeded'
    | 'KafkaJSSASLAuthenticationError'
    | 'KafkaJSProtocolError',
    new (
      error: unknown,
      options?: unknown,
    ) => Error
  >
  const protocol = (type: string): Error =>
    new KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable: false }))

  test.each([
    [
      'a host without address',
      new KafkaJSConnectionError('Connection error: getaddrinfo ENOTFOUND k1', {
        broker: 'k1:9092',
        code: 'ENOTFOUND',
      }),
      'retry',
      /k1:9092 has no address.*KAFKA_BROKERS/,
    ],
    [
      'nobody listening',
      new KafkaJSConnectionError('Connection error: connect ECONNREFUSED', { broker: 'k2:9092', code: 'ECONNREFUSED' }),
      'retry',
      /k2:9092.*ECONNREFUSED/,
    ],
    [
      'bad credentials',
      new KafkaJSSASLAuthenticationError('SASL PLAIN authentication failed'),
      'stop',
      /KAFKA_SASL_PASSWORD/,
    ],
    [
      'an unknown mechanism',
      new KafkaJSSASLAuthenticationError('SASL X mechanism is not supported by the server'),
      'stop',
      /KAFKA_SASL_MECHANISM/,
    ],
    ['a forbidden topic', protocol('TOPIC_AUTHORIZATION_FAILED'), 'stop', /topic "order-events"/],
    ['a forbidden group', protocol('GROUP_AUTHORIZATION_FAILED'), 'stop', /group "orderwire-dispatch"/],
    ['a forbidden creation', protocol('CLUSTER_AUTHORIZATION_FAILED'), 'stop', /create topic "order-events"/],
    ['too high a replication', protocol('INVALID_REPLICATION_FACTOR'), 'fix', /KAFKA_REPLICATION/],
    ['too large an event', protocol('MESSAGE_TOO_LARGE'), 'fix', /max\.message\.bytes/],
    [
      'no TLS there',
      new KafkaJSConnectionError('Connection error: SSL routines:wrong version number', {
        broker: 'k1:9092',
        code: 'EPROTO',
      }),
      'stop',
      /KAFKA_SSL/,
    ],
  ] as const)('%s', (_, error, intent, sentence) => {
    const wrapped = new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 1, retryTime: 1 })
    for (const found of [explain(error, target), explain(wrapped, target)]) {
      expect(found.intent).toBe(intent)
      expect(found.message).toMatch(sentence)
      expect(found.message).not.toContain('\n')
    }
  })
})
