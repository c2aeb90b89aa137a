import type { KafkaListener, KafkaVariant } from '../kafka.ts'

/** What a one-node broker for tests is told, as `server.properties` keys; the container gets the same as `KAFKA_…` variables. */
export function brokerSettings(options: {
  port: number
  controllerPort: number
  bind: string
  logDir: string
  variant: KafkaVariant
}): Record<string, string> {
  const protocol = options.variant.security === 'sasl' ? 'SASL_PLAINTEXT' : 'PLAINTEXT'
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
  const users = 'username="admin" password="admin-secret" user_admin="admin-secret" user_guest="guest-secret"'
  const secured = {
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.client.plain.sasl.jaas.config': `${login} ${users};`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // The controller listener is without SASL, so the node talks to itself as ANONYMOUS.
    'super.users': 'User:admin;User:ANONYMOUS',
  }
  const listeners = options.variant.listeners ?? []
  const further = (say: (listener: KafkaListener) => string) => listeners.map(one => `,${say(one)}`).join('')
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@localhost:${options.controllerPort}`,
    listeners: `CLIENT://${options.bind}:${options.port},CONTROLLER://localhost:${options.controllerPort}${further(({ name, port }) => `${name}://${options.bind}:${port}`)}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${options.variant.advertise ?? options.port}${further(({ name, port }) => `${name}://localhost:${port}`)}`,
    'listener.security.protocol.map': `CLIENT:${protocol},CONTROLLER:PLAINTEXT${further(({ name, protocol }) => `${name}:${protocol}`)}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'CLIENT',
    'log.dirs': options.logDir,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '2',
    // Its default is 128 MiB, taken at the start.
    'log.cleaner.dedupe.buffer.size': '2097152',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'controlled.shutdown.enable': 'false',
    // After a kill the node is let in again once its old session has run out.
    'broker.session.timeout.ms': '1500',
    'broker.heartbeat.interval.ms': '400',
    ...(options.variant.security === 'sasl' ? secured : {}),
    ...Object.fromEntries(
      listeners.flatMap(({ name, settings }) =>
        Object.entries(settings).map(([key, value]) => [`listener.name.${name.toLowerCase()}.${key}`, value]),
      ),
    ),
  }
}
