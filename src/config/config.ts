import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { Slug } from '../../schemas/common.ts'
import { Config } from '../../schemas/config.ts'
import { parseDatabaseUrl } from '../lib/database-url.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { complaintsOf, keyOf, valueAt } from '../lib/explain.ts'

/** The only place that reads the environment and the configuration file. Whatever is wrong with them is said by key, found and expected, and never shows a secret. */

export interface LoadedConfig {
  readonly config: Config
  /** Absolute. */
  readonly path: string
  /** Folder that relative paths in it start from. */
  readonly folder: string
}

/** What the file holds: `written` as it stands there, `raw` with the environment's values in the places of their names. */
interface Raw {
  readonly raw: unknown
  readonly written: unknown
  readonly filled: readonly { readonly name: string; readonly value: string }[]
}

const asWritten = (raw: unknown): Raw => ({ raw, written: raw, filled: [] })

const DEFAULT_FILES = ['orderwire.config.ts', 'orderwire.config.json']

export const wrong = (message: string, cause?: unknown): AppError =>
  new AppError(message, { code: 'config.invalid', intent: 'fix', cause })

/** Reads, fills in `${NAME}` (JSON) and validates the configuration. */
export async function loadConfig(file: string | undefined, env: NodeJS.ProcessEnv): Promise<LoadedConfig> {
  const path = await findConfig(file ?? env.ORDERWIRE_CONFIG)
  const raw = path.endsWith('.json') ? await readJson(path, env) : asWritten(await importConfig(path))
  const parsed = looked(path, () => Config.safeParse(raw.raw))
  if (!parsed.success) {
    const why = looked(path, () => explain(parsed.error, raw, env))
    throw wrong(`The configuration ${path} is not valid:\n${why}`)
  }
  return { config: parsed.data, path, folder: dirname(path) }
}

/** What a module exports may throw when it is looked at, with anything in its message. */
function looked<T>(path: string, look: () => T): T {
  try {
    return look()
  } catch {
    throw wrong(`The configuration ${path} cannot be read: something in it throws an error. Export plain data.`)
  }
}

async function findConfig(file: string | undefined): Promise<string> {
  const candidates = (file === undefined ? DEFAULT_FILES : [file]).map(name => resolve(name))
  for (const path of candidates) if ((await stat(path).catch(() => null))?.isFile()) return path
  throw wrong(
    `There is no configuration: looked for ${candidates.join(' and ')}. Create one, or name it with --config FILE or ORDERWIRE_CONFIG.`,
  )
}

async function readJson(path: string, env: NodeJS.ProcessEnv): Promise<Raw> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw wrong(`The configuration ${path} cannot be read: ${messageOf(error)}`)
  })
  // Some editors begin a file with a byte order mark.
  const json = text.replace(/^\ufeff/, '')
  let written: unknown
  try {
    written = JSON.parse(json)
  } catch {
    throw wrong(`The configuration ${path} is not valid JSON (${placeOfJsonError(json)}).`)
  }
  const filled: { name: string; value: string }[] = []
  const held = (name: string, key: string): string => {
    const value = env[name]
    if (value === undefined)
      throw wrong(
        `The configuration ${path} is not valid:\n  ${key}: expected the environment variable ${name} to be set, found that it is not; set it.`,
      )
    filled.push({ name, value })
    return value
  }
  return { raw: fillIn(written, held, '', path), written, filled }
}

/** Where JSON stops being JSON, without quoting it: the text may hold secrets. */
function placeOfJsonError(text: string): string {
  try {
    JSON.parse(text)
  } catch (error) {
    const at = /position (\d+)/.exec(messageOf(error))?.[1]
    if (at !== undefined) return `line ${text.slice(0, Number(at)).split('\n').length}`
    if (!/end of JSON/.test(messageOf(error))) return 'there is something in it that may not stand where it stands'
  }
  return 'it ends too early'
}

/** No configuration is nested like that; following it would end in an overflow. */
const DEEPEST = 50

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g

function fillIn(
  value: unknown,
  held: (name: string, key: string) => string,
  key: string,
  path: string,
  depth = 0,
): unknown {
  if (depth > DEEPEST)
    throw wrong(
      `The configuration ${path} is not valid:\n  ${key}: expected no more than ${DEEPEST} levels, found more`,
    )
  if (typeof value === 'string') return value.replace(VARIABLE, (_, name: string) => held(name, key))
  if (Array.isArray(value)) return value.map((item, index) => fillIn(item, held, `${key}[${index}]`, path, depth + 1))
  if (value !== null && typeof value === 'object') {
    const under = key === '' ? '' : `${key}.`
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, fillIn(item, held, under + name, path, depth + 1)]),
    )
  }
  return value
}

async function importConfig(path: string): Promise<unknown> {
  const notLoaded = (error: unknown) => {
    throw wrong(`The configuration ${path} cannot be loaded: ${messageOf(error)}`, error)
  }
  const module = await import(pathToFileURL(path).href).catch(notLoaded)
  if (module.default === undefined)
    throw wrong(`The configuration ${path} has no default export; write: export default defineConfig({ … })`)
  // It may be the promise of one; taken as it is, that would be an empty configuration.
  return Promise.resolve(module.default).catch(notLoaded)
}

const MOST_LINES = 50

/** One line an issue: key, what was expected, what was found. */
function explain(error: z.ZodError, { raw, written, filled }: Raw, env: NodeJS.ProcessEnv): string {
  const lines = complaintsOf(error, raw, (path, value) => originOf(valueAt(written, path), value, env)).map(
    ({ path, expected, found }) =>
      `  ${keyOf(path) || 'the file'}: expected ${withoutFilled(expected, filled)}, found ${found}${ownerOf(path, written, env)}`,
  )
  const rest = lines.length - MOST_LINES
  const shown = lines.slice(0, MOST_LINES).map(line => line.slice(0, 500))
  return [...shown, ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n')
}

/** A shorter value says nothing of whoever it came from. */
const LEAST_TELLING = 8

/** Where a value comes from that nobody wrote here: it may be a secret, whatever key it stands at. */
function originOf(written: unknown, value: unknown, env: NodeJS.ProcessEnv): string | null {
  if (typeof value !== 'string') return null
  const names = typeof written === 'string' ? [...written.matchAll(VARIABLE)].map(([, name = '']) => name) : []
  if (names.length > 0)
    return `what ${names.map(name => `\${${name}}`).join(' and ')} ${names.length > 1 ? 'hold' : 'holds'}`
  // A module takes from the environment by itself.
  const [name] = Object.entries(env).find(([, text = '']) => text.length >= LEAST_TELLING && value.includes(text)) ?? []
  return name === undefined ? null : `what the environment variable ${name} holds`
}

const withoutFilled = (text: string, filled: Raw['filled']): string =>
  filled.reduce(
    (rest, { name, value }) => (value.length >= LEAST_TELLING ? rest.replaceAll(value, `\${${name}}`) : rest),
    text,
  )

/** Whose key it is, where it has an id; an index says little in a long file. */
function ownerOf([list, index]: readonly PropertyKey[], written: unknown, env: NodeJS.ProcessEnv): string {
  if ((list !== 'connections' && list !== 'endpoints') || index === undefined) return ''
  const id = Slug.safeParse(valueAt(written, [list, index, 'id']))
  return id.success && originOf(id.data, id.data, env) === null ? ` (${list.slice(0, -1)} "${id.data}")` : ''
}

// ── the environment ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly ssl: boolean
  readonly sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | null
  readonly topic: string
  readonly group: string
  readonly partitions: number
  /** null: the cluster's default. */
  readonly replication: number | null
}

export interface Settings {
  readonly databaseUrl: string | null
  /** Sessions with PostgreSQL at most. */
  readonly databasePool: number
  /** Absolute. */
  readonly dataFolder: string
  /** null: the embedded event log. */
  readonly kafka: KafkaSettings | null
  readonly host: string
  readonly port: number
  readonly apiKey: string | null
  /** 32 bytes; null: the generated one in the data folder. */
  readonly secretKey: Buffer | null
  /** The addresses people use; the first is the one to show. */
  readonly publicUrls: readonly string[]
  readonly logLevel: string
  readonly logFormat: 'pretty' | 'json'
  /** A running server that commands are to go through. */
  readonly serverUrl: string | null
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
const SASL = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** Reads the environment; rejects with every wrong variable's name and what it should be. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const value = (name: string): string | null => env[name]?.trim() || null
  const integer = (name: string, fallback: number, least: number, most: number): number => {
    const text = value(name)
    const number = text === null ? fallback : Number(text)
    if (Number.isInteger(number) && number >= least && number <= most) return number
    throw wrong(`${name}: expected a whole number from ${least} to ${most}, found ${JSON.stringify(text)}`)
  }
  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const text = value(name)
    if (text === null) return fallback
    const match = values.find(candidate => candidate === text.toLowerCase())
    if (match) return match
    throw wrong(`${name}: expected one of ${values.join(', ')}, found ${JSON.stringify(text)}`)
  }
  const url = (name: string, protocols: readonly string[], text = value(name)): string | null => {
    if (text === null) return null
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text
    throw wrong(
      `${name}: expected a URL that begins with ${protocols.map(p => `${p}//`).join(' or ')}, found something else`,
    )
  }
  /** An address that requests go to, or browsers name: it is shown in messages, so nothing secret may be in it. */
  const address = (name: string, given = value(name)): string | null => {
    const text = url(name, ['http:', 'https:'], given)
    if (text === null) return null
    const { username, password, search, hash } = new URL(text)
    const odd =
      username || password ? 'a user name or password in it' : search || hash ? 'a query or fragment in it' : null
    if (odd === null) return text
    const instead = name === 'ORDERWIRE_URL' ? '; a key goes into ORDERWIRE_API_KEY' : ''
    throw wrong(`${name}: expected an address such as https://orders.example:8080, found one with ${odd}${instead}`)
  }

  const host = value('HOST') ?? '127.0.0.1'
  const apiKey = value('ORDERWIRE_API_KEY')
  if (apiKey !== null && apiKey.length < 24)
    throw wrong('ORDERWIRE_API_KEY: expected at least 24 characters, found fewer')
  if (apiKey === null && !isLoopback(host)) {
    throw wrong(
      `HOST is ${host}, which others can reach: set ORDERWIRE_API_KEY (at least 24 characters) as well, or leave HOST at 127.0.0.1.`,
    )
  }
  const publicUrls = (value('ORDERWIRE_PUBLIC_URL') ?? '')
    .split(',')
    .flatMap(text => address('ORDERWIRE_PUBLIC_URL', text.trim() || null) ?? [])
  if (apiKey === null && publicUrls.length > 0) {
    throw wrong(
      'ORDERWIRE_PUBLIC_URL is set, so others reach this service: set ORDERWIRE_API_KEY (at least 24 characters) as well, or unset ORDERWIRE_PUBLIC_URL.',
    )
  }
  const databaseUrl = database()
  return {
    databaseUrl,
    databasePool: integer('DATABASE_POOL', 10, 1, 1_000),
    dataFolder: resolve(value('ORDERWIRE_DATA') ?? '.orderwire'),
    kafka: kafkaSettings(),
    host,
    port: integer('PORT', 8080, 0, 65_535),
    apiKey,
    secretKey: secretKey(value('ORDERWIRE_SECRET_KEY'), databaseUrl !== null),
    publicUrls,
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: oneOf('LOG_FORMAT', ['pretty', 'json'], process.stdout.isTTY ? 'pretty' : 'json'),
    serverUrl: address('ORDERWIRE_URL'),
  }

  function database(): string | null {
    const text = value('DATABASE_URL')
    if (text === null) return null
    try {
      parseDatabaseUrl(text)
      return text
    } catch (error) {
      throw wrong(messageOf(error))
    }
  }

  function kafkaSettings(): KafkaSettings | null {
    const brokers = (value('KAFKA_BROKERS') ?? '')
      .split(',')
      .map(broker => broker.trim())
      .filter(Boolean)
    if (brokers.length === 0) return null
    const odd = brokers.find(broker => !/^[^\s:/@]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i.test(broker))
    if (odd !== undefined)
      throw wrong(
        `KAFKA_BROKERS: expected host:port, separated by commas, found ${value('KAFKA_BROKERS')?.includes('@') ? 'one with a user name; it goes into KAFKA_SASL_USERNAME' : JSON.stringify(odd)}`,
      )
    const topic = value('KAFKA_TOPIC') ?? 'order-events'
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
      throw wrong(`KAFKA_TOPIC: expected letters, digits, ".", "_" and "-", found ${JSON.stringify(topic)}`)
    const username = value('KAFKA_SASL_USERNAME')
    const password = value('KAFKA_SASL_PASSWORD')
    if ((username === null) !== (password === null))
      throw wrong('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: expected both or neither')
    const sasl =
      username !== null && password !== null
        ? { mechanism: oneOf('KAFKA_SASL_MECHANISM', SASL, 'plain'), username, password }
        : null
    if (!sasl && value('KAFKA_SASL_MECHANISM'))
      throw wrong('KAFKA_SASL_MECHANISM is set: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD as well')
    return {
      brokers,
      ssl: oneOf('KAFKA_SSL', ['true', 'false', '1', '0'], 'false') in { true: 1, 1: 1 },
      sasl,
      topic,
      group: value('KAFKA_GROUP') ?? 'orderwire-dispatch',
      partitions: integer('KAFKA_PARTITIONS', 12, 1, 10_000),
      replication: value('KAFKA_REPLICATION') === null ? null : integer('KAFKA_REPLICATION', 1, 1, 100),
    }
  }
}

function secretKey(text: string | null, required: boolean): Buffer | null {
  if (text === null) {
    if (!required) return null
    throw wrong(
      'ORDERWIRE_SECRET_KEY is needed with DATABASE_URL (it encrypts endpoint secrets): set it to the base64 of 32 random bytes, e.g. from `openssl rand -base64 32`, the same in every process.',
    )
  }
  const key = Buffer.from(text, 'base64')
  if (key.length === 32 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return key
  throw wrong(`ORDERWIRE_SECRET_KEY: expected the base64 of 32 bytes, found ${key.length} bytes`)
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '[::1]') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
