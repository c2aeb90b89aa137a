import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { Config, type ConfigInput } from '../schemas/config.ts'
import { AppError, messageOf } from './errors.ts'

/** The only place that reads the environment and the configuration file. Whatever is wrong with them is said by key, found and expected, and never shows a secret. */

/** Types a configuration written in TypeScript: `export default defineConfig({ connections: [...] })`. */
export const defineConfig = (config: ConfigInput): ConfigInput => config

export interface LoadedConfig {
  readonly config: Config
  /** Absolute. */
  readonly path: string
  /** Folder that relative paths in it start from. */
  readonly folder: string
}

const DEFAULT_FILES = ['orderwire.config.ts', 'orderwire.config.json']

export const wrong = (message: string, cause?: unknown): AppError =>
  new AppError(message, { code: 'config.invalid', intent: 'fix', cause })

/** Reads, fills in `${NAME}` (JSON) and validates the configuration. */
export async function loadConfig(file: string | undefined, env: NodeJS.ProcessEnv): Promise<LoadedConfig> {
  const path = await findConfig(file ?? env.ORDERWIRE_CONFIG)
  const raw = path.endsWith('.json') ? await readJson(path, env) : await importConfig(path)
  const parsed = validated(raw, path)
  if (!parsed.success) throw wrong(`The configuration ${path} is not valid:\n${explain(parsed.error, raw)}`)
  return { config: parsed.data, path, folder: dirname(path) }
}

/** What a module exports may throw when it is looked at, with anything in its message. */
function validated(raw: unknown, path: string) {
  try {
    return Config.safeParse(raw)
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

async function readJson(path: string, env: NodeJS.ProcessEnv): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw wrong(`The configuration ${path} cannot be read: ${messageOf(error)}`)
  })
  // Some editors begin a file with a byte order mark.
  const json = text.replace(/^\ufeff/, '')
  let raw: unknown
  try {
    raw = JSON.parse(json)
  } catch {
    throw wrong(`The configuration ${path} is not valid JSON (${placeOfJsonError(json)}).`)
  }
  return fillIn(raw, env, '', path)
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

function fillIn(value: unknown, env: NodeJS.ProcessEnv, key: string, path: string, depth = 0): unknown {
  if (depth > DEEPEST)
    throw wrong(
      `The configuration ${path} is not valid:\n  ${key}: expected no more than ${DEEPEST} levels, found more`,
    )
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = env[name]
      if (found === undefined) {
        throw wrong(
          `The configuration ${path} is not valid:\n  ${key}: takes the environment variable ${name}, which is not set; set it.`,
        )
      }
      return found
    })
  }
  if (Array.isArray(value)) return value.map((item, index) => fillIn(item, env, `${key}[${index}]`, path, depth + 1))
  if (value !== null && typeof value === 'object') {
    const under = key === '' ? '' : `${key}.`
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, fillIn(item, env, under + name, path, depth + 1)]),
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

const SECRET_KEY_NAMES = /token|secret|password|key|headers/i

const MOST_LINES = 50

/** One line an issue: key, what was expected, what was found. */
function explain(error: z.ZodError, input: unknown): string {
  const lines = error.issues.flatMap(issue => issueLines(issue, input)).map(line => line.slice(0, 400))
  const rest = lines.length - MOST_LINES
  return [...lines.slice(0, MOST_LINES), ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n')
}

function issueLines(issue: z.core.$ZodIssue, input: unknown): string[] {
  const at = keyOf(issue.path)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => `  ${at === '' ? key : `${at}.${key}`}: unknown key; remove it or check its spelling`)
  }
  if (issue.code === 'invalid_union') {
    const closest = issue.errors.find(errors => errors.every(({ path }) => path.length > 0)) ?? []
    if (closest.length > 0)
      return closest.flatMap(inner =>
        issueLines({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, input),
      )
  }
  return [`  ${at || 'the file'}: expected ${expectation(issue)}, found ${found(issue, input)}`]
}

const keyOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (key, part) =>
      typeof part === 'number' ? `${key}[${part}]` : key === '' ? String(part) : `${key}.${String(part)}`,
    '',
  )

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return issue.expected
  if (issue.code === 'invalid_value') return issue.values.map(value => JSON.stringify(value)).join(' or ')
  if (issue.code === 'invalid_union' && issue.discriminator)
    return `${issue.discriminator} to be one of "kakaclo", "tuya", "shoplazza"`
  return issue.message.replace(/^Invalid input: expected /, '')
}

function found(issue: z.core.$ZodIssue, input: unknown): string {
  const { path } = issue
  const value = path.reduce<unknown>(
    (at, part) => (at !== null && typeof at === 'object' ? Reflect.get(at, part) : undefined),
    input,
  )
  if (value === undefined) return 'nothing'
  // What is inside may be secret.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const isMisplaced = issue.code === 'invalid_type' && NESTED.includes(issue.expected)
  if (isMisplaced || path.some(part => SECRET_KEY_NAMES.test(String(part)))) return `a value of type ${typeof value}`
  if (typeof value === 'string')
    return JSON.stringify(/^(baseU|u)rl$/.test(String(path.at(-1))) ? bareUrl(value) : value).slice(0, 80)
  return ['bigint', 'symbol', 'function'].includes(typeof value) ? `a ${typeof value}` : String(value)
}

/** A text in the place of such a thing may be anything, a secret that slipped out of its own place too. */
const NESTED: readonly string[] = ['object', 'array', 'record']

/** Without what may be secret in a URL: user name, password, query. */
const bareUrl = (url: string): string => url.replace(/[?#].*$/s, '?…').replace(/^([^/]*\/\/)?[^/]*@/, '$1…@')

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
  /** Absolute. */
  readonly dataFolder: string
  /** null: the embedded event log. */
  readonly kafka: KafkaSettings | null
  readonly host: string
  readonly port: number
  readonly apiKey: string | null
  /** 32 bytes; null: the generated one in the data folder. */
  readonly secretKey: Buffer | null
  readonly publicUrl: string | null
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
  const url = (name: string, protocols: readonly string[]): string | null => {
    const text = value(name)
    if (text === null) return null
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text
    throw wrong(
      `${name}: expected a URL that begins with ${protocols.map(p => `${p}//`).join(' or ')}; what is set is not one`,
    )
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
  const databaseUrl = url('DATABASE_URL', ['postgres:', 'postgresql:'])
  return {
    databaseUrl,
    dataFolder: resolve(value('ORDERWIRE_DATA') ?? '.orderwire'),
    kafka: kafkaSettings(),
    host,
    port: integer('PORT', 8080, 0, 65_535),
    apiKey,
    secretKey: secretKey(value('ORDERWIRE_SECRET_KEY'), databaseUrl !== null),
    publicUrl: url('ORDERWIRE_PUBLIC_URL', ['http:', 'https:']),
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: oneOf('LOG_FORMAT', ['pretty', 'json'], process.stdout.isTTY ? 'pretty' : 'json'),
    serverUrl: url('ORDERWIRE_URL', ['http:', 'https:']),
  }

  function kafkaSettings(): KafkaSettings | null {
    const brokers = (value('KAFKA_BROKERS') ?? '')
      .split(',')
      .map(broker => broker.trim())
      .filter(Boolean)
    if (brokers.length === 0) return null
    const odd = brokers.find(broker => !/^[^\s:/]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i.test(broker))
    if (odd !== undefined)
      throw wrong(`KAFKA_BROKERS: expected host:port, separated by commas, found ${JSON.stringify(odd)}`)
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
