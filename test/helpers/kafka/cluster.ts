import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaClient } from '../../../src/event-log/kafka/client.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { quietLog } from '../quiet.ts'
import { until } from '../until.ts'
import { type BrokerProcess, brokerProcess } from './broker-process.ts'
import { preparedKafka } from './jars.ts'
import { freePorts } from './ports.ts'
import { brokerSettings } from './settings.ts'
import { writeProperties } from './warm-start.ts'

const NODES = 3
/** How soon a lost broker is noticed. It is Kafka's own default, so that what is measured is what a user gets. */
const SESSION = { 'broker.session.timeout.ms': '9000', 'broker.heartbeat.interval.ms': '2000' }

/** Three brokers that are controllers as well: copies on all, a write needs two of them. */
export interface KafkaCluster {
  /** Comma list, as in `KAFKA_BROKERS`. */
  readonly brokers: string
  readonly nodes: readonly BrokerProcess[]
  /** Resolves when every copy of every partition of these topics has caught up again. */
  inSync(topics: readonly string[]): Promise<void>
  stop(): Promise<void>
}

/** null: this machine cannot run Kafka, which has been said. */
export async function startKafkaCluster(): Promise<KafkaCluster | null> {
  const prepared = await preparedKafka()
  if (typeof prepared === 'string') {
    const message = `no Kafka for tests: ${prepared}`
    if (process.env.CI === 'true') throw new Error(message)
    console.warn(message)
    return null
  }
  const { jars, formatted } = prepared
  const flags = [...prepared.flags, '-Xmx256m']
  const home = await mkdtemp(join(tmpdir(), 'orderwire-kafka-'))
  const ports = await freePorts(2 * NODES)
  const controllers = ports.slice(NODES)
  const shared = {
    ...SESSION,
    'controller.quorum.voters': controllers.map((port, index) => `${index + 1}@localhost:${port}`).join(),
    'min.insync.replicas': '2',
    'offsets.topic.replication.factor': String(NODES),
    'transaction.state.log.replication.factor': String(NODES),
    'transaction.state.log.min.isr': '2',
    // A clean stop hands the partitions over.
    'controlled.shutdown.enable': 'true',
  }
  const nodes = await Promise.all(
    ports.slice(0, NODES).map(async (port, index) => {
      const id = String(index + 1)
      const [logDir, properties] = [join(home, `data-${id}`), join(home, `server-${id}.properties`)]
      const controllerPort = controllers[index] ?? 0
      const own = brokerSettings({ port, controllerPort, bind: '127.0.0.1', logDir, variant: {} })
      await writeProperties(properties, { ...own, ...shared, 'node.id': id })
      await cp(formatted, logDir, { recursive: true })
      // The prepared folder is of node 1, and no two nodes may have the same folder.
      const directory = randomBytes(16).toString('base64url')
      await writeFile(
        join(logDir, 'meta.properties'),
        `version=1\nnode.id=${id}\ncluster.id=b3JkZXJ3aXJlLXRlc3RzMA\ndirectory.id=${directory}\n`,
      )
      return brokerProcess({ jars, flags, properties, logFile: join(home, `broker-${id}.log`), port })
    }),
  )
  const brokers = ports
    .slice(0, NODES)
    .map(port => `127.0.0.1:${port}`)
    .join()
  const stop = async () => {
    await Promise.all(nodes.map(node => node.stop()))
    await rm(home, { recursive: true, force: true })
  }
  try {
    await Promise.all(nodes.map(node => node.start()))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    brokers,
    nodes,
    stop,
    inSync: topics => until(`all copies of ${topics} have caught up`, () => allInSync(brokers, topics), 180_000, 500),
  }
}

async function allInSync(brokers: string, topics: readonly string[]): Promise<boolean> {
  const admin = kafkaClient({
    brokers: brokers.split(','),
    tls: null,
    sasl: null,
    clientId: 'orderwire-test',
    clock: systemClock(),
    log: quietLog,
  }).admin()
  try {
    await admin.connect()
    const found = await admin.fetchTopicMetadata({ topics: [...topics] })
    const partitions = found.topics.flatMap(topic => topic.partitions)
    return partitions.length > 0 && partitions.every(({ isr, leader }) => isr.length === NODES && leader >= 0)
  } catch {
    return false
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
