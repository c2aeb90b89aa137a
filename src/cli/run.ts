import { Instant } from '../../schemas/api-requests.ts'
import { Duration } from '../../schemas/config.ts'
import type { Role } from '../api/deps.ts'
import type { AppOptions } from '../app.ts'
import { wrong } from '../config/config-error.ts'
import { type LoadedConfig, loadConfig } from '../config/config-file.ts'
import { readSettings, type Settings } from '../config/environment.ts'
import { systemClock, timestamp } from '../lib/clock.ts'
import { visibleLine } from '../lib/control-characters.ts'
import { AppError } from '../lib/errors.ts'
import { VERSION } from '../lib/version.ts'
import { createLog } from '../telemetry/log.ts'
import { backfill } from './backfill.ts'
import { type Client, createClient, findServer } from './client.ts'
import {
  ACTIONS,
  type CommandContext,
  deadLetters,
  endpoints,
  events,
  type Flags,
  keys,
  poll,
  replay,
  usage,
} from './commands.ts'
import { createOutput, type Output } from './output.ts'
import { republish } from './republish.ts'
import { verify } from './verify-command.ts'

interface Command {
  /** Its lines of the help. */
  readonly help: string
  /** Which flags it takes; others are refused, so that a misspelt filter never widens what a command does. */
  readonly flags: readonly string[]
}

const COMMANDS: Readonly<Record<string, Command>> = {
  init: {
    help: `  init [--yes] [--vendor V] [--set KEY=VALUE …]       a new project in this folder`,
    flags: ['yes', 'vendor', 'set', 'json'],
  },
  start: {
    help: `  start [--config F] [--roles ingest,dispatch,api]    run until Ctrl-C`,
    flags: ['config', 'roles'],
  },
  check: {
    help: `  check [--config F]                                  is everything right and reachable?`,
    flags: ['config', 'json'],
  },
  poll: {
    help: `  poll CONNECTION [--order ID] [--user ID] [--dry-run]
                                                      one poll now; prints the events`,
    flags: ['config', 'order', 'user', 'dry-run', 'json'],
  },
  backfill: {
    help: `  backfill CONNECTION --since T [--until T]           reads a span again; what was missed is published`,
    flags: ['config', 'since', 'until', 'json'],
  },
  events: {
    help: `  events [--type T] [--connection C] [--order ID] [--since T] [--until T] [--follow]
                                                      the event history`,
    flags: ['config', 'type', 'connection', 'order', 'since', 'until', 'follow', 'json'],
  },
  endpoints: {
    help: `  endpoints add URL [--id ID] [--type T …] [--connection C …] [--filter JSON] [--header 'NAME: VALUE' …]
                    [--replay-since T] [--description TEXT]
  endpoints list
  endpoints show|pause|resume|remove [--yes]|rotate-secret|test ID
                                                      webhook endpoints`,
    flags: ['config', 'id', 'type', 'connection', 'filter', 'header', 'description', 'replay-since', 'yes', 'json'],
  },
  replay: {
    help: `  replay --to DESTINATION [--since T] [--until T] [--type T …] [--order ID] | --event ID
                                                      past events again, in order`,
    flags: ['config', 'to', 'since', 'until', 'type', 'order', 'event', 'json'],
  },
  republish: {
    help: `  republish --since T [--until T] [--connection C …]  past events into the event log again, after Kafka lost them`,
    flags: ['config', 'since', 'until', 'connection', 'json'],
  },
  'dead-letters': {
    help: `  dead-letters list [--to DESTINATION]
  dead-letters redrive ID … | --to DESTINATION | --all
                                                      failed deliveries`,
    flags: ['config', 'to', 'all', 'json'],
  },
  keys: {
    help: `  keys add NAME --role read|write|admin
  keys list
  keys remove ID                                      API keys`,
    flags: ['config', 'role', 'json'],
  },
  verify: {
    help: `  verify [--connection C …] [--against-vendor [--orders N]] [--repair]
                                                      does the store agree with itself, and with the vendors?`,
    flags: ['config', 'connection', 'against-vendor', 'orders', 'repair', 'json'],
  },
  backup: {
    help: `  backup FILE                                         a copy of the embedded store, while it runs`,
    flags: ['json'],
  },
  schemas: {
    help: `  schemas [--out FOLDER]                              JSON Schema, OpenAPI, AsyncAPI`,
    flags: ['out', 'json'],
  },
}

const HELP = `orderwire ${VERSION}: polls shops, works out what happened to each order, publishes each fact once, in order.

${Object.values(COMMANDS)
  .map(({ help }) => help)
  .join('\n')}

Add --json for JSON lines. Settings come from the environment: see README.md.
`

export interface Invocation {
  readonly command: readonly string[]
  readonly flags: Flags
  readonly env: NodeJS.ProcessEnv
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
}

/** Runs one command; resolves when it is done, rejects with an AppError that says what is wrong. */
export async function run({ command: [name, ...rest], flags, env, signal }: Invocation): Promise<void> {
  const output = createOutput(flags.json === true)
  if (flags.version === true) return output.line(VERSION)
  if (flags.help === true || name === undefined || name === 'help') return output.line(HELP)
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!known)
    throw usage(`There is no command "${name}". Commands: ${Object.keys(COMMANDS).join(', ')}. Try: orderwire --help`)
  const odd = Object.keys(flags).find(flag => !known.flags.includes(flag))
  if (odd !== undefined)
    throw usage(`${name} does not take --${odd}; it takes ${known.flags.map(flag => `--${flag}`).join(', ')}.`)
  const [action] = rest
  const actions = ACTIONS[name]
  if (actions && !actions.some(one => one === action)) {
    const what = action === undefined ? 'say what to do, one of' : `"${action}" is none of`
    throw usage(`${name}: ${what} ${actions.join(', ')}\n\n${known.help}`)
  }
  if (name === 'schemas')
    return (await import('./schemas.ts')).schemas(output, typeof flags.out === 'string' ? flags.out : undefined)

  if (name === 'init') return initialise({ output, flags, env, signal })

  const settings = readSettings(env)
  const config = () => loadConfig(typeof flags.config === 'string' ? flags.config : undefined, env)
  if (name === 'start') {
    const { start } = await import('./start.ts')
    return start({ loaded: await config(), settings, roles: rolesOf(flags.roles, settings), signal })
  }
  if (name === 'backup') return (await import('./backup.ts')).backup({ settings, output }, rest)
  if (name === 'check') return (await import('./check.ts')).check({ loaded: await config(), settings, output, signal })

  const client = (await findServer(settings)) ?? (await inProcess(await config(), settings).catch(orStarting(settings)))
  const context: CommandContext = {
    client,
    output,
    signal,
    progress: text => progress(text, output.json),
    confirm: question => confirm(question, signal),
  }
  try {
    await dispatch(name, rest, context, withInstants(flags))
  } finally {
    await client.close()
  }
}

/** Writes a new project and, where it names a real shop, checks that the shop answers. */
async function initialise(options: {
  output: Output
  flags: Flags
  env: NodeJS.ProcessEnv
  signal: AbortSignal
}): Promise<void> {
  const { output, flags, env, signal } = options
  const { init } = await import('./init.ts')
  const { hasVendor } = await init({ output, flags, signal })
  if (!hasVendor) return
  process.loadEnvFile()
  const { check } = await import('./check.ts')
  const loaded = await loadConfig(undefined, env)
  await check({ loaded, settings: readSettings(env), output, signal })
}

/** Times of flags may be given as a duration: `--since 2h` is two hours ago. */
function withInstants(flags: Flags): Flags {
  const instants = ['since', 'until', 'replay-since'].flatMap(name => {
    const text = flags[name]
    const ago = Duration.safeParse(text)
    if (!ago.success && typeof text === 'string' && !Instant.safeParse(text).success)
      throw usage(
        `--${name}: an instant (2026-03-02T10:15:30Z), a date (2026-03-02) or how long ago (2h), not "${text}"`,
      )
    return ago.success ? [[name, timestamp(systemClock().now() - ago.data)]] : []
  })
  return { ...flags, ...Object.fromEntries(instants) }
}

async function dispatch(name: string, rest: readonly string[], context: CommandContext, flags: Flags): Promise<void> {
  const most = { poll: 1, backfill: 1, events: 0, replay: 0, republish: 0, verify: 0 }[name] ?? Number.POSITIVE_INFINITY
  if (rest.length > most) throw usage(`${name}: "${rest[most]}" is too much; options begin with --`)
  switch (name) {
    case 'poll':
      if (rest[0] === undefined) throw usage('poll: name the connection')
      return poll(context, rest[0], flags)
    case 'backfill':
      if (rest[0] === undefined) throw usage('backfill: name the connection')
      return backfill(context, rest[0], flags)
    case 'events':
      return events(context, flags)
    case 'endpoints':
      return endpoints(context, rest, flags)
    case 'replay':
      return replay(context, flags)
    case 'republish':
      return republish(context, flags, systemClock())
    case 'dead-letters':
      return deadLetters(context, rest, flags)
    case 'keys':
      return keys(context, rest, flags)
    case 'verify':
      return verify(context, flags)
  }
}

/** How long a server may take to start, and how often it is looked for meanwhile. */
const [START_MS, LOOK_EVERY_MS] = [5_000, 100]

const ROLES: readonly Role[] = ['ingest', 'dispatch', 'api']

function rolesOf(text: Flags[string], settings: Settings): ReadonlySet<Role> {
  if (typeof text !== 'string') return new Set(ROLES)
  const roles = text.split(',').map(role => {
    const known = ROLES.find(one => one === role.trim())
    if (!known) throw usage(`--roles: expected some of ${ROLES.join(', ')}, separated by commas, found "${role}"`)
    return known
  })
  if (roles.length < ROLES.length && (!settings.kafka || settings.databaseUrl === null)) {
    throw wrong(
      'Roles in separate processes share their work through Kafka and PostgreSQL: set KAFKA_BROKERS and DATABASE_URL, or leave --roles away.',
    )
  }
  return new Set(roles)
}

/** A server that is just starting has the folder already, and cannot be found yet. */
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

/** No server is running: the same API, in this process, on the store itself. */
async function inProcess(loaded: LoadedConfig, settings: Settings): Promise<Client> {
  const log = await createLog({
    level: settings.logLevel === 'info' ? 'warn' : settings.logLevel,
    format: settings.logFormat,
    stream: process.stderr,
  })
  const options: AppOptions = { loaded, settings, roles: new Set(ROLES), clock: systemClock(), log, local: true }
  const { createApp } = await import('../app.ts')
  const app = await createApp(options)
  return createClient({
    target: 'this process',
    fetch: async (path, init) => app.api.request(`http://localhost${path}`, init),
    close: () => app.close(),
  })
}

/** Where nobody can be asked, whoever wrote the command has decided. */
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
