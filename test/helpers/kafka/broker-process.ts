import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { spawnBroker, tailOf } from './jvm.ts'
import { listening } from './ports.ts'

/** Long, because the machine may be busy. */
const START_MS = 180_000

/** One broker that ends and starts again with its data. */
export interface BrokerProcess {
  /** Resolves when it listens on its port. */
  start(): Promise<void>
  /** SIGKILL, or a clean stop with SIGTERM, which hands its partitions over first. Resolves when the process is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** Stops answering without closing connections, until `thaw`. */
  freeze(): void
  thaw(): void
  /** SIGKILL, and forgets it. */
  stop(): Promise<void>
}

export function brokerProcess(options: {
  jars: string
  flags: readonly string[]
  /** Path of `server.properties`. */
  properties: string
  logFile: string
  port: number
}): BrokerProcess {
  const { jars, flags, properties, logFile, port } = options
  let child: ChildProcess | null = null
  const exit = () => child?.kill('SIGKILL')
  process.once('exit', exit)

  async function kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const running = child
    child = null
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const gone = once(running, 'exit')
    running.kill(signal)
    await gone
  }

  return {
    kill,
    async start() {
      const started = spawnBroker(jars, properties, createWriteStream(logFile, { flags: 'a' }), flags)
      child = started
      try {
        await listening(port, START_MS, () => (started.exitCode === null ? null : 'the broker ended while starting'))
      } catch (error) {
        started.kill('SIGKILL')
        throw new Error(`${String(error)}\n${await tailOf(logFile)}`)
      }
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async stop() {
      await kill()
      process.off('exit', exit)
    },
  }
}
