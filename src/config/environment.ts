import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseDatabaseUrl } from '../lib/database-url.ts'
import { messageOf } from '../lib/errors.ts'
import { wrong } from './config-error.ts'
import { type KafkaSettings, kafkaSettings } from './kafka-settings.ts'
import { variablesOf } from './variables.ts'

// ── the environment ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Settings {
  readonly databaseUrl: string | null
  /** The most sessions with PostgreSQL. */
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
  /** The addresses people use; the first one is shown. */
  readonly publicUrls: readonly string[]
  readonly logLevel: string
  readonly logFormat: 'pretty' | 'json'
  /** null: no traces. Where they go is read by OpenTelemetry's exporter itself. */
  readonly tracing?: { readonly exporter: 'otlp' | 'console'; readonly ratio: number } | null
  /** The running server that commands use. */
  readonly serverUrl: string | null
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

const SAMPLERS = ['always_on', 'always_off', 'traceidratio'].flatMap(name => [name, `parentbased_${name}`])

/** Reads the environment. Throws an AppError that names the wrong variable, what was expected and what was found. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const variables = variablesOf(env)
  const { value, integer, oneOf } = variables
  const url = (name: string, protocols: readonly string[], text = value(name)): string | null => {
    if (text === null) return null
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text
    throw wrong(
      `${name}: expected a URL that begins with ${protocols.map(p => `${p}//`).join(' or ')}, found something else`,
    )
  }
  /** An address without credentials, path or query: messages show it. */
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
    kafka: kafkaSettings(variables),
    host,
    port: integer('PORT', 8080, 0, 65_535),
    apiKey,
    secretKey: secretKey(value('ORDERWIRE_SECRET_KEY'), databaseUrl !== null),
    publicUrls,
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: oneOf('LOG_FORMAT', ['pretty', 'json'], process.stdout.isTTY ? 'pretty' : 'json'),
    serverUrl: address('ORDERWIRE_URL'),
    tracing: tracing(),
  }

  /** Asked for by a place or an exporter, as OpenTelemetry has it. */
  function tracing(): NonNullable<Settings['tracing']> | null {
    const place = value('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? value('OTEL_EXPORTER_OTLP_ENDPOINT')
    const exporter = oneOf('OTEL_TRACES_EXPORTER', ['otlp', 'console', 'none'], place === null ? 'none' : 'otlp')
    if (exporter === 'none' || value('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null
    const sampler = oneOf('OTEL_TRACES_SAMPLER', SAMPLERS, 'always_on').replace('parentbased_', '')
    const share = Number(value('OTEL_TRACES_SAMPLER_ARG') ?? 1)
    if (!(share >= 0 && share <= 1)) throw wrong('OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1')
    return { exporter, ratio: sampler === 'always_off' ? 0 : sampler === 'always_on' ? 1 : share }
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
