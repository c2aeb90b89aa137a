import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Runs a program to its end; what it printed. */
export const run = promisify(execFile)

/** Small and quick to start rather than fast: one test's messages. */
export const FLAGS = [
  '-Xmx320m',
  '-Xms64m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]

/** Arguments of `java` for a main class of Kafka's jars. */
export const javaArguments = (jars: string, main: string, args: readonly string[], flags: readonly string[] = []) => [
  ...['-cp', join(jars, '*')],
  ...[...FLAGS, ...flags],
  ...[main, ...args],
]

/** Which Java this is; null: none. */
export const javaVersion = (): Promise<string | null> =>
  run('java', ['-version']).then(
    ({ stderr }) => stderr,
    () => null,
  )

/** A broker process with these settings; its output goes to the file `log`. */
export function spawnBroker(
  jars: string,
  settings: string,
  log: NodeJS.WritableStream,
  flags: readonly string[],
): ChildProcess {
  const child = spawn('java', javaArguments(jars, 'kafka.Kafka', [settings], flags), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  return child
}

/** The end of a log file. */
export const tailOf = async (file: string): Promise<string> => (await readFile(file, 'utf8')).slice(-2000)
