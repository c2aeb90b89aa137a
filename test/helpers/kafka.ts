import { randomBytes } from 'node:crypto'
import { containerKafka } from './kafka/container.ts'
import { jarKafka } from './kafka/jars.ts'
import { sharedServer } from './shared-servers.ts'

export interface TestKafka {
  /** Comma list, as in `KAFKA_BROKERS`. */
  readonly brokers: string
  /** Where it came from, for the test's output. */
  readonly from: 'KAFKA_BROKERS' | 'docker' | 'jars'
  /** Ends it for good and removes its data. */
  stop(): Promise<void>
}

/** A broker of our own: it can be taken away and brought back on the same port with the same data. */
export interface OwnKafka extends TestKafka {
  readonly port: number
  /** As by a power cut. */
  kill(): Promise<void>
  /** Resolves when it answers. */
  start(): Promise<void>
  /** Stops answering without closing connections, until `thaw`. */
  freeze(): void | Promise<void>
  thaw(): void | Promise<void>
}

export interface KafkaVariant {
  /** `sasl`: SASL/PLAIN with the users below, and permissions checked (only `admin` has all). `plain`: neither. */
  readonly security?: 'plain' | 'sasl'
  /** The port that clients are sent to, where something stands between them and the broker. */
  readonly advertise?: number
  /** Further doors of the same broker. */
  readonly listeners?: readonly KafkaListener[]
}

export interface KafkaListener {
  /** Capital letters. */
  readonly name: string
  readonly port: number
  readonly protocol: 'SSL' | 'SASL_SSL'
  /** Settings of this listener alone. */
  readonly settings: Readonly<Record<string, string>>
}

/** Users of the `sasl` variant. */
export const USERS = {
  admin: { username: 'admin', password: 'admin-secret' },
  guest: { username: 'guest', password: 'guest-secret' },
} as const

/**
 * A real Kafka to read and write: the one that `KAFKA_BROKERS` names, else one that all test files of this run share. null: there is
 * none on this machine; the caller skips visibly (`describe.skipIf`). With CI=true that is an error, so that CI cannot pass without.
 */
export async function startKafka(): Promise<TestKafka | null> {
  const given = process.env.KAFKA_BROKERS
  if (given) return { brokers: given, from: 'KAFKA_BROKERS', stop: async () => {} }
  const shared = await sharedServer<Pick<TestKafka, 'brokers' | 'from'>>('kafka')
  if (shared === 'none here') return startOwnKafka()
  return shared && { ...shared, stop: async () => {} }
}

/** A Kafka that the test may stop and start, with nobody else's topics. */
export async function startOwnKafka(variant: KafkaVariant = {}): Promise<OwnKafka | null> {
  const reasons: string[] = []
  for (const start of [containerKafka, jarKafka]) {
    const found = await start(variant)
    if (typeof found !== 'string') return found
    reasons.push(found)
  }
  const message = `no Kafka for tests: ${reasons.join('; ')}`
  if (process.env.CI === 'true') throw new Error(message)
  console.warn(`${message}; its tests are skipped`)
  return null
}

/** A name that no other test uses, for topics and groups. */
export const unique = (name: string): string => `${name}-${randomBytes(5).toString('hex')}`
