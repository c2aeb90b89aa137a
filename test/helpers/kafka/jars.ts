import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { hash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { KafkaVariant, OwnKafka } from '../kafka.ts'
import { freePorts, listening } from './ports.ts'
import { brokerSettings } from './settings.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

/** Small and quick to start rather than fast: one test's messages. */
const JAVA = [
  '-Xmx320m',
  '-Xms64m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',

  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]

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

/** A broker from Apache Kafka's jars; a sentence if this machine cannot run one. */
export async function jarKafka(variant: KafkaVariant): Promise<OwnKafka | string> {
  try {
    await run('java', ['-version'])
  } catch {
    return 'no Java'
  }
  const jars = await kafkaJars()
  if (typeof jars === 'string') return jars

  const home = await mkdtemp(join(tmpdir(), 'orderwire-kafka-'))
  const [port = 0, controllerPort = 0] = await freePorts(2)
  const properties = join(home, 'server.properties')
  const settings = brokerSettings({ port, controllerPort, bind: '127.0.0.1', logDir: join(home, 'data'), variant })
  await mkdir(join(home, 'data'))
  await writeFile(
    properties,
    Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  const classpath = ['-cp', join(jars.folder, '*')]
  await run('java', [
    ...classpath,
    ...JAVA,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    'b3JkZXJ3aXJlLXRlc3RzMA',
    '-c',
    properties,
  ])

  let child: ChildProcess | null = null
  const exit = () => child?.kill('SIGKILL')
  process.once('exit', exit)

  const start = async () => {
    const log = createWriteStream(join(home, 'broker.log'), { flags: 'a' })
    const started = spawn('java', [...classpath, ...JAVA, 'kafka.Kafka', properties], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    started.stdout.pipe(log, { end: false })
    started.stderr.pipe(log, { end: false })
    child = started
    try {
      await listening(port, 60_000, () => (started.exitCode === null ? null : 'the broker ended while starting'))
    } catch (error) {
      started.kill('SIGKILL')
      throw new Error(`${String(error)}\n${(await readFile(join(home, 'broker.log'), 'utf8')).slice(-2000)}`)
    }
  }
  const kill = async () => {
    const running = child
    child = null
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const gone = once(running, 'exit')
    running.kill('SIGKILL')
    await gone
  }
  await start()
  return {
    brokers: `127.0.0.1:${port}`,
    port,
    from: 'jars',
    start,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: async () => {
      await kill()
      process.off('exit', exit)
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** How to run a Java source file that uses Kafka's client: the arguments of `java` before the file. Throws where there are no jars. */
export async function javaWithKafka(): Promise<readonly string[]> {
  const jars = await kafkaJars()
  if (typeof jars === 'string') throw new Error(jars)
  return ['-cp', join(jars.folder, '*'), ...JAVA]
}

/** Writes a record with value `java` for each key, with Kafka's own console producer. */
export async function produceWithJava(brokers: string, topic: string, keys: readonly string[]): Promise<void> {
  const jars = await kafkaJars()
  if (typeof jars === 'string') throw new Error(jars)
  const producing = run('java', [
    '-cp',
    join(jars.folder, '*'),
    ...JAVA,
    'org.apache.kafka.tools.ConsoleProducer',
    ...['--bootstrap-server', brokers, '--topic', topic],
    ...['--property', 'parse.key=true', '--property', 'key.separator=='],
  ])
  producing.child.stdin?.end(keys.map(key => `${key}=java\n`).join(''))
  await producing
}
