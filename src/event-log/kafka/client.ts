import { createRequire } from 'node:module'
import kafkajs, { type Kafka } from 'kafkajs'
import type { KafkaSasl } from '../../config/kafka-settings.ts'
import type { Clock } from '../../lib/clock.ts'
import type { TlsFiles } from '../../lib/tls-files.ts'
import type { Log } from '../../telemetry/log.ts'
import { lz4, snappy, zstd } from './codecs.ts'
import { tolerateLeaderlessPartitions } from './leaderless.ts'
import { saslOptionsOf, socketsOf } from './security.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs

export interface KafkaConnection {
  readonly brokers: readonly string[]
  readonly tls: TlsFiles | null
  readonly sasl: KafkaSasl | null
  readonly clientId: string
  readonly clock: Clock
  readonly log: Log
}

/** kafkajs reads only gzip. A broker or another producer may use other codecs, and an unknown one would stop the consumer for good. */
function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd
}

/** The part of kafkajs' request queue that `quietQueue` knows. */
interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

/**
 * After every response kafkajs sets a timer with a negative time on each connection, which means every 1 ms and a warning, and burns CPU
 * while idle. With this patch the timer runs only while requests wait. If the internals of kafkajs differ, nothing is patched, and a test
 * fails.
 */
function quietQueue(): void {
  let prototype: Partial<RequestQueue> | undefined
  try {
    prototype = createRequire(import.meta.url)('kafkajs/src/network/requestQueue')?.prototype
  } catch {
    return
  }
  const schedule = prototype?.scheduleCheckPendingRequests
  if (!prototype || typeof schedule !== 'function') return
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this)
  }
}

let prepared = false

export interface Patience {
  /** How often a connection is retried before the error is reported. */
  readonly retries: number
  /** After an abort kafkajs gets no brokers to try: there is no other way to stop its retries. */
  readonly signal: AbortSignal
}

/** Each consumer gets its own client, because kafkajs shares committed offsets between the consumers of one client. */
export function kafkaClient({ brokers, tls, sasl, clientId, clock, log }: KafkaConnection, patience?: Patience): Kafka {
  if (!prepared) {
    prepared = true
    registerCodecs()
    quietQueue()
    tolerateLeaderlessPartitions()
  }
  return new kafkajs.Kafka({
    brokers: async () => (patience?.signal.aborted ? [] : [...brokers]),
    socketFactory: socketsOf(tls),
    ...(sasl && { sasl: saslOptionsOf(sasl, clock) }),
    clientId,
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    requestTimeout: 15_000,
    retry: { retries: patience?.retries ?? 2, initialRetryTime: 100, maxRetryTime: 1_000 },
    // Messages of kafkajs are for debugging. We log what people need ourselves, once.
    logCreator: () => entry => {
      const { message, timestamp: _, ...fields } = entry.log
      log.debug({ kafkajs: entry.namespace, ...fields }, message)
    },
  })
}
