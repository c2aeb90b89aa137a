import { createRequire } from 'node:module'
import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs'
import type { Log } from '../../telemetry/log.ts'
import { lz4, snappy, zstd } from './codecs.ts'
import { bearLeaderlessPartitions } from './leaderless.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs

export interface KafkaConnection {
  readonly brokers: readonly string[]
  readonly ssl: boolean
  readonly sasl: KafkaSasl | null
  readonly clientId: string
  readonly log: Log
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** kafkajs reads gzip alone; what it cannot read would stop the consumer for good, and a broker may compress as it likes. */
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
 * kafkajs re-arms a timer after every response, each connection, for ever, and with a negative time (so 1 ms and a warning):
 * idle, it burns CPU. A timer is needed only while requests wait. If the internals are not as known here they are left alone,
 * and a test says so.
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
  /** How often a connection is tried before an error is seen. */
  readonly retries: number
  /** Once aborted, kafkajs finds no broker to try any more: it cannot be told to stop in the midst of retries. */
  readonly signal: AbortSignal
}

/** A client of its own: kafkajs shares committed offsets between the consumers of one client, which we never want. */
export function kafkaClient({ brokers, ssl, sasl, clientId, log }: KafkaConnection, patience?: Patience): Kafka {
  if (!prepared) {
    prepared = true
    registerCodecs()
    quietQueue()
    bearLeaderlessPartitions()
  }
  return new kafkajs.Kafka({
    brokers: async () => (patience?.signal.aborted ? [] : [...brokers]),
    ssl,
    ...(sasl ? { sasl: sasl as SASLOptions } : {}),
    clientId,
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    requestTimeout: 15_000,
    retry: { retries: patience?.retries ?? 2, initialRetryTime: 100, maxRetryTime: 1_000 },
    // Its own words are for whoever debugs; what a person needs is said by us, once.
    logCreator: () => entry => {
      const { message, timestamp: _, ...fields } = entry.log
      log.debug({ kafkajs: entry.namespace, ...fields }, message)
    },
  })
}
