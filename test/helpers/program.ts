import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConfigInput } from '../../schemas/config.ts'
import { until } from './until.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** The environment of a person who has set nothing of ours. */
function bareEnv(): NodeJS.ProcessEnv {
  const ours = /^(ORDERWIRE_|KAFKA_|DATABASE_|OTEL_|HOST$|PORT$|LOG_|(https|no)_proxy$)/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end; `under` as for `startProgram`. */
export async function command(
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  under: readonly string[] = [],
): Promise<Ran> {
  const child = launch(folder, args, env, under)
  const out = { stdout: '', stderr: '' }
  child.stdout?.on('data', chunk => {
    out.stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    out.stderr += chunk
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, ...out }
}

function launch(
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  under: readonly string[] = [],
): ChildProcess {
  const [file = process.execPath, ...rest] = [...under, process.execPath, MAIN, ...args]
  return spawn(file, rest, {
    cwd: folder,
    env: { ...bareEnv(), ORDERWIRE_DATA: join(folder, 'data'), PORT: '0', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

export interface Program {
  /** Where its API is. */
  readonly url: string
  readonly child: ChildProcess
  /** Everything printed so far. */
  output(): string
  /** Sends the signal and resolves with the exit code (null: ended by the signal). */
  end(signal: NodeJS.Signals): Promise<number | null>
  get(path: string): Promise<{ status: number; body: unknown }>
}

interface Launching {
  /** A command that becomes the program, such as `prlimit --nofile=64`. */
  readonly under?: readonly string[]
  /** Gets the process at once, for whoever wants to end it while it starts. */
  readonly spawned?: (child: ChildProcess) => void
  /** How long it may take until it says where its API is, milliseconds; then it is ended. */
  readonly withinMs?: number
}

/** Starts the server in a folder of its own and resolves when it says where its API is. */
export async function startProgram(
  folder: string,
  env: NodeJS.ProcessEnv = {},
  args: readonly string[] = [],
  { under, spawned, withinMs }: Launching = {},
): Promise<Program> {
  const child = launch(folder, ['start', ...args], env, under)
  spawned?.(child)
  const closed = new Promise<number | null>(resolve => child.once('close', resolve))
  let output = ''
  let ended = false
  child.stdout?.on('data', chunk => {
    output += chunk
  })
  child.stderr?.on('data', chunk => {
    output += chunk
  })
  void closed.then(() => {
    ended = true
  })
  const place = /API at (http:\/\/[^\s";]+)/
  await until('the program says where its API is', () => ended || place.test(output), withinMs).catch(error => {
    child.kill('SIGKILL')
    throw new Error(`${error.message}\n${output}`)
  })
  const url = place.exec(output)?.[1]
  if (url === undefined) throw new Error(`the program ended at once:\n${output}`)
  return {
    url,
    child,
    output: () => output,
    async end(signal) {
      child.kill(signal)
      return closed
    },
    async get(path) {
      const response = await fetch(url + path)
      return { status: response.status, body: await response.json() }
    },
  }
}

/** Writes the configuration that `start` finds in the folder. */
export const configure = (folder: string, config: ConfigInput): Promise<void> =>
  writeFile(join(folder, 'orderwire.config.json'), JSON.stringify(config))
