import { messageOf } from '../lib/errors.ts'
import { checkTlsFiles, type TlsFiles } from '../lib/tls-files.ts'
import { wrong } from './config-error.ts'
import type { Variables } from './variables.ts'

export interface KafkaSettings {
  readonly brokers: readonly string[]
  /** null: no TLS. */
  readonly tls: TlsFiles | null
  readonly sasl: KafkaSasl | null
  readonly topic: string
  readonly group: string
  readonly partitions: number
  /** null: the cluster's default. */
  readonly replication: number | null
}

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: TokenSource }

/** A file that holds the token, or a command of the system's shell that prints it. */
export type TokenSource = { readonly file: string } | { readonly command: string }

const SASL = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'] as const
const PASSWORD = 'KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'
const TOKEN = 'KAFKA_SASL_TOKEN_FILE and KAFKA_SASL_TOKEN_COMMAND'

/** null: no brokers are named, so the event log is the embedded one. */
export function kafkaSettings(variables: Variables): KafkaSettings | null {
  const { value, integer } = variables
  const brokers = brokersOf(value('KAFKA_BROKERS'))
  if (brokers.length === 0) return null
  const topic = value('KAFKA_TOPIC') ?? 'order-events'
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
    throw wrong(`KAFKA_TOPIC: expected letters, digits, ".", "_" and "-", found ${JSON.stringify(topic)}`)
  const tls = tlsOf(variables)
  try {
    if (tls) checkTlsFiles(tls)
  } catch (error) {
    throw wrong(
      `KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY: expected files in PEM that fit together; ${messageOf(error)}`,
    )
  }
  return {
    ...{ brokers, tls, topic },
    sasl: saslOf(variables),
    group: value('KAFKA_GROUP') ?? 'orderwire-dispatch',
    partitions: integer('KAFKA_PARTITIONS', 12, 1, 10_000),
    replication: value('KAFKA_REPLICATION') === null ? null : integer('KAFKA_REPLICATION', 1, 1, 100),
  }
}

function brokersOf(text: string | null): readonly string[] {
  const brokers = (text ?? '')
    .split(',')
    .map(broker => broker.trim())
    .filter(Boolean)
  const odd = brokers.find(broker => !/^[^\s:/@]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i.test(broker))
  if (odd === undefined) return brokers
  // It may hold a password.
  const found = text?.includes('@') ? 'one with a user name; it goes into KAFKA_SASL_USERNAME' : JSON.stringify(odd)
  throw wrong(`KAFKA_BROKERS: expected host:port, separated by commas, found ${found}`)
}

/** Files ask for TLS by themselves. */
function tlsOf({ value, oneOf }: Variables): TlsFiles | null {
  const ca = value('KAFKA_SSL_CA')
  const [cert, key, password] = [value('KAFKA_SSL_CERT'), value('KAFKA_SSL_KEY'), value('KAFKA_SSL_KEY_PASSWORD')]
  if ((cert === null) !== (key === null)) throw wrong('KAFKA_SSL_CERT and KAFKA_SSL_KEY: expected both or neither')
  if (password !== null && key === null) throw wrong('KAFKA_SSL_KEY_PASSWORD is set: set KAFKA_SSL_KEY as well')
  const named = ca !== null || cert !== null
  const wanted = oneOf('KAFKA_SSL', ['true', 'false', '1', '0'], named ? 'true' : 'false') in { true: 1, 1: 1 }
  if (!wanted && named) throw wrong('KAFKA_SSL is false, and KAFKA_SSL_CA or KAFKA_SSL_CERT is set: set KAFKA_SSL=true')
  return wanted ? { ca, client: cert !== null && key !== null ? { cert, key, password } : null } : null
}

function saslOf({ value, oneOf }: Variables): KafkaSasl | null {
  const [file, command] = [value('KAFKA_SASL_TOKEN_FILE'), value('KAFKA_SASL_TOKEN_COMMAND')]
  const [username, password] = [value('KAFKA_SASL_USERNAME'), value('KAFKA_SASL_PASSWORD')]
  const hasToken = Boolean(file ?? command)
  const mechanism = oneOf('KAFKA_SASL_MECHANISM', SASL, hasToken ? 'oauthbearer' : 'plain')
  if (mechanism === 'oauthbearer') {
    if (username ?? password) throw wrong(`${PASSWORD}: not used with oauthbearer; unset them`)
    if (file && !command) return { mechanism, token: { file } }
    if (command && !file) return { mechanism, token: { command } }
    throw wrong(`${TOKEN}: expected exactly one of them with KAFKA_SASL_MECHANISM=oauthbearer`)
  }
  if (hasToken) throw wrong(`${TOKEN}: used only with KAFKA_SASL_MECHANISM=oauthbearer`)
  if (username && password) return { mechanism, username, password }
  if (username ?? password) throw wrong(`${PASSWORD}: expected both or neither`)
  if (value('KAFKA_SASL_MECHANISM')) throw wrong(`KAFKA_SASL_MECHANISM is set: set ${PASSWORD} as well`)
  return null
}
