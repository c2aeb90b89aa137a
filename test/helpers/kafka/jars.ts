import { hash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KafkaVariant, OwnKafka } from '../kafka.ts'
import { brokerProcess } from './broker-process.ts'
import { FLAGS, javaArguments, javaVersion, run } from './jvm.ts'
import { freePorts } from './ports.ts'
import { brokerSettings } from './settings.ts'
import { type WarmStart, warmStart, writeProperties } from './warm-start.ts'

const root = join(import.meta.dirname, '../../..')
/** Where Apache Kafka's jars are, fetched through Maven the first time; a sentence if that is not possible here. */
export async function kafkaJars(): Promise<{ folder: string } | string> {
  const pom = join(import.meta.dirname, 'pom.xml')
  const version = hash('sha256', await readFile(pom)).slice(0, 12)
  const folder = join(root, '.cache', `kafka-${version}`)
  if (existsSync(folder)) return { folder }
  const partial = `${folder}.${randomUUID()}`
  try {
    await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`])
    await rename(partial, folder)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    // Another test process may have been quicker.
    if (!existsSync(folder)) return `Maven could not fetch Kafka's jars (${String(error).split('\n')[0]})`
  }
  return { folder }
}

/** What brokers of this machine start from; a sentence if it can run none. Slow the first time only. */
export async function preparedKafka(): Promise<(WarmStart & { readonly jars: string }) | string> {
  const version = await javaVersion()
  if (version === null) return 'no Java'
  const jars = await kafkaJars()
  if (typeof jars === 'string') return jars
  return { jars: jars.folder, ...(await warmStart(jars.folder, version)) }
}

/** A broker from Apache Kafka's jars; a sentence if this machine cannot run one. */
export async function jarKafka(variant: KafkaVariant): Promise<OwnKafka | string> {
  const prepared = await preparedKafka()
  if (typeof prepared === 'string') return prepared
  const { jars, formatted, flags } = prepared

  const home = await mkdtemp(join(tmpdir(), 'orderwire-kafka-'))
  const [port = 0, controllerPort = 0] = await freePorts(2)
  const [properties, logFile, logDir] = [join(home, 'server.properties'), join(home, 'broker.log'), join(home, 'data')]
  await writeProperties(properties, brokerSettings({ port, controllerPort, bind: '127.0.0.1', logDir, variant }))
  await cp(formatted, logDir, { recursive: true })

  const broker = brokerProcess({ jars, flags, properties, logFile, port })
  await broker.start()
  return {
    ...broker,
    brokers: `127.0.0.1:${port}`,
    port,
    from: 'jars',
    kill: () => broker.kill(),
    stop: async () => {
      await broker.stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** How to run a Java source file that uses Kafka's client: the arguments of `java` before the file. Throws where there are no jars. */
export async function javaWithKafka(): Promise<readonly string[]> {
  const jars = await kafkaJars()
  if (typeof jars === 'string') throw new Error(jars)
  return ['-cp', join(jars.folder, '*'), ...FLAGS]
}

/** Writes a record with value `java` for each key, with Kafka's own console producer. */
export async function produceWithJava(brokers: string, topic: string, keys: readonly string[]): Promise<void> {
  const jars = await kafkaJars()
  if (typeof jars === 'string') throw new Error(jars)
  const args = ['--bootstrap-server', brokers, '--topic', topic]
  const parsing = ['--property', 'parse.key=true', '--property', 'key.separator==']
  const producer = 'org.apache.kafka.tools.ConsoleProducer'
  const producing = run('java', javaArguments(jars.folder, producer, [...args, ...parsing]))
  producing.child.stdin?.end(keys.map(key => `${key}=java\n`).join(''))
  await producing
}
