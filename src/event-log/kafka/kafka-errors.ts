import { AppError, messageOf } from '../../lib/errors.ts'

export interface KafkaTarget {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group?: string | undefined
}

interface Link {
  readonly name: string
  /** Kafka's name of a protocol error, e.g. `TOPIC_AUTHORIZATION_FAILED`. */
  readonly type: string
  /** The operating system's code, e.g. `ECONNREFUSED`. */
  readonly code: string
  readonly broker: string
  readonly message: string
  readonly error: unknown
}

/** All errors wrapped in an error, outermost first: kafkajs wraps errors in retry errors, and joins those of topics and partitions. */
function chain(error: unknown, depth = 0): Link[] {
  if (typeof error !== 'object' || error === null || depth > 8) return []
  const fields = error as Record<string, unknown>
  const text = (key: string) => (typeof fields[key] === 'string' ? (fields[key] as string) : '')
  const own = {
    name: text('name'),
    type: text('type'),
    code: text('code'),
    broker: text('broker'),
    message: messageOf(error),
    error,
  }
  const inner = [fields.cause, ...(Array.isArray(fields.errors) ? fields.errors : [])]
  return [own, ...inner.flatMap(next => chain(next, depth + 1))]
}

/** Explains an error of the Kafka client: one sentence on what to do, and the intent. */
export function explain(error: unknown, { brokers, topic, group }: KafkaTarget): AppError {
  const links = chain(error)
  const ours = links.find(link => link.error instanceof AppError)?.error
  if (ours instanceof AppError) return ours
  const is = (...types: string[]) => links.some(link => types.includes(link.type))
  const coded = (...codes: string[]) =>
    links.some(link => codes.some(code => link.code === code || link.message.includes(code)))
  const stop = (code: string, message: string) => new AppError(message, { code, intent: 'stop', cause: error })
  const fix = (code: string, message: string) => new AppError(message, { code, intent: 'fix', cause: error })
  const retry = (code: string, message: string) => new AppError(message, { code, intent: 'retry', cause: error })
  const place = links.find(link => link.broker)?.broker || brokers.join(', ')

  const sasl = links.find(
    link => link.name === 'KafkaJSSASLAuthenticationError' || link.type === 'SASL_AUTHENTICATION_FAILED',
  )
  if (sasl && /mechanism/i.test(sasl.message))
    return stop(
      'kafka.sasl',
      `Kafka does not offer the SASL mechanism asked for (${sasl.message}); set KAFKA_SASL_MECHANISM to one it does.`,
    )
  if (sasl)
    return stop(
      'kafka.sasl',
      `Kafka refused the user name or password; check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM.`,
    )
  if (is('TOPIC_AUTHORIZATION_FAILED'))
    return stop(
      'kafka.forbidden',
      `This Kafka user may not use topic "${topic}"; allow it to describe, write and read it, or to create it.`,
    )
  if (is('GROUP_AUTHORIZATION_FAILED'))
    return stop(
      'kafka.forbidden',
      `This Kafka user may not read as consumer group "${group ?? ''}"; allow READ on that group, or set KAFKA_GROUP.`,
    )
  if (is('CLUSTER_AUTHORIZATION_FAILED'))
    return stop(
      'kafka.forbidden',
      `This Kafka user may neither create topic "${topic}" nor write to the cluster; create the topic, or allow CREATE and IDEMPOTENT_WRITE.`,
    )
  if (is('INVALID_TOPIC_EXCEPTION'))
    return fix(
      'kafka.topic_name',
      `"${topic}" is no valid name of a topic; set KAFKA_TOPIC to letters, digits, ".", "_" and "-".`,
    )
  if (is('INVALID_REPLICATION_FACTOR'))
    return fix(
      'kafka.replication',
      `Topic "${topic}" cannot be created: this Kafka has too few brokers for its replication; set KAFKA_REPLICATION to at most their number.`,
    )
  if (is('INVALID_PARTITIONS', 'POLICY_VIOLATION', 'INVALID_CONFIG'))
    return fix(
      'kafka.policy',
      `Kafka refuses to create topic "${topic}" (${messageOf(error)}); set KAFKA_PARTITIONS and KAFKA_REPLICATION to what it allows, or create the topic.`,
    )
  if (is('MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'))
    return fix(
      'kafka.too_large',
      `Topic "${topic}" does not take so many bytes at once; raise max.message.bytes of the topic.`,
    )
  if (is('INVALID_RECORD', 'INVALID_TIMESTAMP', 'CORRUPT_MESSAGE', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'))
    return fix(
      'kafka.record',
      `Topic "${topic}" refuses a record (${messageOf(links.at(-1)?.message ?? error)}); check the settings of the topic, such as its timestamps.`,
    )
  if (coded('ENOTFOUND', 'EAI_AGAIN'))
    return retry(
      'kafka.unknown_host',
      `The host of Kafka at ${place} has no address; check KAFKA_BROKERS (or the name the broker advertises).`,
    )
  const tls = links.find(
    link => /SSL|TLS|certificate|wrong version/i.test(link.message) || /^ERR_TLS|^CERT_|_CERT/.test(link.code),
  )
  if (tls)
    return stop(
      'kafka.tls',
      `No TLS connection to Kafka at ${place} (${tls.message}); check KAFKA_SSL, KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY.`,
    )
  const busy = links.some(link => link.type || link.name === 'KafkaJSMetadataNotLoaded')
  return retry(
    busy ? 'kafka.busy' : 'kafka.unreachable',
    `Kafka at ${place} does not work now (${messageOf(links.at(-1)?.message ?? error)}); it is tried again.`,
  )
}
