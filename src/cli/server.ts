import type { Role } from '../api/deps.ts'
import { type LoadedConfig, loadConfig } from '../config/config-file.ts'
import { readSettings, type Settings } from '../config/environment.ts'
import { systemClock } from '../lib/clock.ts'
import { visibleLine } from '../lib/control-characters.ts'
import { AppError } from '../lib/errors.ts'
import { type Client, createClient, findServer } from './client.ts'
import type { CommandContext, Invocation } from './command.ts'

/** The configuration that `--config` names, or the default one. */
export const loadedConfig = ({ flags, env }: Pick<Invocation, 'flags' | 'env'>): Promise<LoadedConfig> =>
  loadConfig(typeof flags.config === 'string' ? flags.config : undefined, env)

/** Runs a command against the running server, or against the same API in this process where no server runs. */
export async function withServer(
  invocation: Invocation,
  run: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const { env, output, signal } = invocation
  const settings = readSettings(env)
  const client =
    (await findServer(settings)) ??
    (await inProcess(await loadedConfig(invocation), settings, output.json).catch(orStarting(settings)))
  try {
    await run({
      client,
      output,
      signal,
      progress: text => progress(text, output.json),
      confirm: question => confirm(question, signal),
    })
  } finally {
    await client.close()
  }
}

/** How long a server may take to start, and how often it is looked for meanwhile. */
const [START_MS, LOOK_EVERY_MS] = [5_000, 100]

/** A server that is just starting has the data folder already, and cannot be found yet. */
const orStarting =
  (settings: Settings) =>
  async (error: unknown): Promise<Client> => {
    const clock = systemClock()
    const end = clock.monotonic() + START_MS
    while (error instanceof AppError && error.code === 'store.folder_in_use' && clock.monotonic() < end) {
      const found = await findServer(settings)
      if (found) return found
      await clock.sleep(LOOK_EVERY_MS)
    }
    throw error
  }

export const ROLES: readonly Role[] = ['ingest', 'dispatch', 'api']
/** The target of a client whose API is in this process. */
export const IN_PROCESS = 'this process'

/** No server is running: the same API, in this process, on the store itself. */
async function inProcess(loaded: LoadedConfig, settings: Settings, json: boolean): Promise<Client> {
  const [{ createApp }, { createLog }] = await Promise.all([import('../app.ts'), import('../telemetry/log.ts')])
  const log = await createLog({
    level: settings.logLevel === 'info' ? 'warn' : settings.logLevel,
    format: json ? 'json' : settings.logFormat,
    stream: process.stderr,
  })
  const app = await createApp({ loaded, settings, roles: new Set(ROLES), clock: systemClock(), log, local: true })
  return createClient({
    target: IN_PROCESS,
    fetch: async (path, init) => app.api.request(`http://localhost${path}`, init),
    close: () => app.close(),
  })
}

/** Where nobody can be asked, the command line itself is the answer. */
async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return true
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${visibleLine(question)} [y/N] `, { signal })).trim())
  } finally {
    terminal.close()
  }
}

function progress(text: string, json: boolean): void {
  if (process.stderr.isTTY && !json) process.stderr.write(`${visibleLine(text)}\n`)
}
