import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { Slug } from '../../schemas/common.ts'
import { type Config, configWith } from '../../schemas/config.ts'
import { isSourceSchema } from '../../schemas/connection.ts'
import { messageOf } from '../lib/errors.ts'
import { complaintsOf, keyOf, valueAt } from '../lib/explain.ts'
import type { Proxies } from '../lib/forward-proxy.ts'
import type { HostCertificates } from '../lib/host-certificates.ts'
import { certificatesOf } from './certificates.ts'
import { wrong } from './config-error.ts'
import { proxiesOf } from './proxies.ts'

/** The only folder that reads the environment and the configuration file. Whatever is wrong with them is said by key, found and expected, and never shows a secret. */

export interface LoadedConfig {
  readonly config: Config
  /** Absolute. */
  readonly path: string
  /** Folder that relative paths in it start from. */
  readonly folder: string
  readonly proxies: Proxies
  /** For webhooks and alerts. */
  readonly certificates: readonly HostCertificates[]
}

/** What the file holds: `written` as it stands there, `raw` with the environment's values in the places of their names. */
interface Raw {
  readonly raw: unknown
  readonly written: unknown
  readonly filled: readonly { readonly name: string; readonly value: string }[]
}

const asWritten = (raw: unknown): Raw => ({ raw, written: raw, filled: [] })

const DEFAULT_FILES = ['orderwire.config.ts', 'orderwire.config.json']

/** Reads, fills in `${NAME}` (JSON) and validates the configuration. */
export async function loadConfig(file: string | undefined, env: NodeJS.ProcessEnv): Promise<LoadedConfig> {
  const path = await findConfig(file ?? env.ORDERWIRE_CONFIG)
  const raw = path.endsWith('.json') ? await readJson(path, env) : asWritten(await importConfig(path))
  const parsed = looked(path, () => configWith(sourcesIn(raw.raw)).safeParse(raw.raw))
  if (!parsed.success) {
    const why = looked(path, () => explain(parsed.error, raw, env))
    throw wrong(`The configuration ${path} is not valid:\n${why}`)
  }
  const [config, folder] = [parsed.data, dirname(path)]
  const certificates = certificatesOf(config, folder)
  return { config, path, folder, certificates, proxies: proxiesOf(config, env) }
}

/** What the file lists in `sources`: its connections are read with their schemas. */
function sourcesIn(raw: unknown) {
  const listed = valueAt(raw, ['sources'])
  return Array.isArray(listed) ? listed.filter(isSourceSchema) : []
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
