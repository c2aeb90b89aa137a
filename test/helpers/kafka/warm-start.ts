import { hash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { javaArguments, run, spawnBroker } from './jvm.ts'
import { freePorts, listening } from './ports.ts'
import { brokerSettings } from './settings.ts'

/** What lets a broker start with a third of the work: it is made once for each version of Kafka and Java, and kept beside the jars. */
export interface WarmStart {
  /** A formatted, empty data folder, to copy. */
  readonly formatted: string
  /** Flags that let the JVM take its classes from an archive. A JVM that cannot use the archive goes without it. */
  readonly flags: readonly string[]
}

export async function warmStart(jars: string, javaVersion: string): Promise<WarmStart> {
  const folder = `${jars}-warm-${hash('sha256', javaVersion).slice(0, 12)}`
  if (!existsSync(folder)) await make(jars, folder)
  return { formatted: join(folder, 'formatted'), flags: [`-XX:SharedArchiveFile=${join(folder, 'classes.jsa')}`] }
}

async function make(jars: string, folder: string): Promise<void> {
  const partial = `${folder}.${randomUUID()}`
  const formatted = join(partial, 'formatted')
  await mkdir(formatted, { recursive: true })
  try {
    await format(jars, partial, formatted)
    await archiveClasses(jars, partial)
    await rename(partial, folder)
  } catch (error) {
    // Another test process may have been quicker.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function format(jars: string, partial: string, logDir: string): Promise<void> {
  const settings = await writeSettings(join(partial, 'format.properties'), { port: 9092, controllerPort: 9093, logDir })
  const args = ['format', '-t', 'b3JkZXJ3aXJlLXRlc3RzMA', '-c', settings]
  await run('java', javaArguments(jars, 'kafka.tools.StorageTool', args))
}

/** Starts a broker for once and ends it in peace: then the JVM writes the classes that it loaded. */
async function archiveClasses(jars: string, partial: string): Promise<void> {
  const [port = 0, controllerPort = 0] = await freePorts(2)
  const logDir = join(partial, 'once')
  await mkdir(logDir)
  await format(jars, partial, logDir)
  const settings = await writeSettings(join(partial, 'once.properties'), { port, controllerPort, logDir })
  const log = createWriteStream(join(partial, 'once.log'))
  const child = spawnBroker(jars, settings, log, [`-XX:ArchiveClassesAtExit=${join(partial, 'classes.jsa')}`])
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const closed = once(child, 'close')
  try {
    await listening(port, 180_000, () => (child.exitCode === null ? null : 'the broker ended while starting'))
  } finally {
    child.kill('SIGTERM')
    await closed
    process.off('exit', kill)
    log.end()
    await rm(logDir, { recursive: true, force: true })
  }
}

async function writeSettings(
  file: string,
  { port, controllerPort, logDir }: { port: number; controllerPort: number; logDir: string },
): Promise<string> {
  await writeProperties(file, brokerSettings({ port, controllerPort, bind: '127.0.0.1', logDir, variant: {} }))
  return file
}

/** Writes settings as Java reads them. */
export const writeProperties = (file: string, settings: Readonly<Record<string, string>>): Promise<void> =>
  writeFile(
    file,
    Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
