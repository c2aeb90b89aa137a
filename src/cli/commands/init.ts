import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { STARTER_OPTIONS } from '../../../schemas/vendor/starter.ts'
import { readSettings } from '../../config/environment.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { VERSION } from '../../lib/version.ts'
import { SANDBOX_CONFIGURATION } from '../../sandbox/configuration.ts'
import type { Command, Flags, Invocation } from '../command.ts'
import { type Chosen, configurationOf, ENVIRONMENT_EXAMPLE, environmentOf, HANDLER, IGNORED } from '../init-files.ts'
import { repeatedOption } from '../options.ts'
import type { Output } from '../output.ts'
import { loadedConfig } from '../server.ts'
import { usage } from '../usage.ts'

const VENDORS = Object.keys(STARTER_OPTIONS)

export const initCommand: Command = {
  name: 'init',
  summary: 'write a new project into this folder; simulated shops unless a vendor is named',
  options: [
    { flags: '--yes', text: 'ask nothing' },
    { flags: '--vendor <vendor>', text: `one of ${VENDORS.join(', ')}` },
    repeatedOption('--set <key=value>', 'an option of the vendor'),
  ],
  examples: ['init --yes', 'init --vendor VENDOR', 'init --vendor VENDOR --set token=…'],
  without: ['config'],
  action: initialise,
}

/** Writes the project and, where it names a real shop, checks that the shop answers. */
async function initialise(invocation: Invocation): Promise<void> {
  const { output, env, signal } = invocation
  const { hasVendor } = await init(invocation)
  if (!hasVendor) return
  process.loadEnvFile()
  const { check } = await import('../check.ts')
  await check({ loaded: await loadedConfig(invocation), settings: readSettings(env), output, signal })
}

/** Asks one question; null where nobody can be asked. */
type Ask = ((question: string, proposal: string | null) => Promise<string>) | null

/**
 * Writes what a new project needs into the working directory: configuration, a handler, `.env.example` (and `.env` with the secrets
 * given), `package.json`, `.gitignore`. Keeps every file that is there. Returns whether a real vendor is configured.
 */
export async function init(options: {
  readonly output: Output
  readonly flags: Flags
  readonly signal: AbortSignal
  /** Default: the working directory. */
  readonly folder?: string
}): Promise<{ readonly hasVendor: boolean }> {
  const { output, flags, signal, folder = process.cwd() } = options
  const manifest = await readManifest(folder)
  const terminal =
    flags.yes === true || !process.stdin.isTTY || !process.stderr.isTTY
      ? null
      : createInterface({ input: process.stdin, output: process.stderr })
  const ask: Ask =
    terminal &&
    (async (question, proposal) =>
      (await terminal.question(`${question}${proposal ? ` [${proposal}]` : ''}: `, { signal })).trim() ||
      proposal ||
      '')
  try {
    const chosen = await choose(flags, ask)
    for (const [name, text] of filesOf(chosen, manifest)) {
      const written = await writeNew(join(folder, name), text, name === 'package.json' && manifest !== null)
      output.item({ file: name, written }, written ? `wrote  ${name}` : `kept   ${name}, which was there`)
    }
    if (!output.json) output.line(chosen ? NEXT_WITH_VENDOR : NEXT_WITH_SANDBOX)
    return { hasVendor: chosen !== null }
  } finally {
    terminal?.close()
  }
}

const NEXT_WITH_SANDBOX = `
Next: npx orderwire start    polls simulated shops; the console is at http://127.0.0.1:8080
Your own shop: npx orderwire init --vendor ${VENDORS.join('|')} in an empty folder, or edit orderwire.config.ts
WooCommerce, BigCommerce, another JSON API: node_modules/orderwire/docs/rest-source.md`
const NEXT_WITH_VENDOR = `
Next: npx orderwire poll ${'CONNECTION'} --dry-run    shows the events a poll would publish
      npx orderwire start`

async function choose(flags: Flags, ask: Ask): Promise<Chosen | null> {
  const given = valuesOf(flags.set)
  const name =
    typeof flags.vendor === 'string'
      ? flags.vendor
      : ((await ask?.(`Vendor (${VENDORS.join(', ')}; empty: simulated shops)`, null)) ?? '')
  if (name === '') {
    if (given.size > 0) throw usage('init: --set gives options of a vendor; name it with --vendor')
    return null
  }
  const wanted = Object.hasOwn(STARTER_OPTIONS, name) ? STARTER_OPTIONS[name] : undefined
  if (!wanted) throw usage(`init: expected a vendor, one of ${VENDORS.join(', ')}, found "${name}"`)
  const odd = [...given.keys()].find(key => !wanted.some(option => option.key === key))
  if (odd !== undefined)
    throw usage(`init: ${name} has no option "${odd}"; it has ${wanted.map(({ key }) => key).join(', ')}`)
  const values: Chosen['values'][number][] = []
  for (const option of wanted) {
    const value = given.get(option.key) ?? (await ask?.(option.question, option.proposal)) ?? option.proposal
    if (value === null || (value === '' && option.proposal !== ''))
      throw usage(`init: ${name} needs ${option.key} (${option.question}); give it with --set ${option.key}=…`)
    if (value !== '') values.push({ option, value })
  }
  return { vendor: name, values }
}

/** `--set key=value`, repeated. The value is never quoted in a message: it may be a secret. */
function valuesOf(given: Flags[string]): ReadonlyMap<string, string> {
  const list = Array.isArray(given) ? given : []
  return new Map(
    list.map(text => {
      const at = text.indexOf('=')
      if (at < 1) throw usage('init: --set takes key=value')
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

type Manifest = Readonly<Record<string, unknown>>

/** The folder's package.json; null: there is none. Configuration and handlers are ES modules, so another module type is refused. */
async function readManifest(folder: string): Promise<Manifest | null> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => null)
  if (text === null) return null
  let manifest: unknown
  try {
    manifest = JSON.parse(text)
  } catch (error) {
    throw unfit(`package.json is not valid JSON (${messageOf(error)}); mend it first.`)
  }
  if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
    throw unfit('package.json is not an object; mend it first.')
  if ('type' in manifest && manifest.type !== 'module')
    throw unfit(
      'package.json says "type": "commonjs". Set it to "module": orderwire.config.ts and handlers are ES modules.',
    )
  return { ...manifest }
}

const unfit = (message: string): AppError => new AppError(message, { code: 'config.unfit_folder', intent: 'fix' })

function filesOf(chosen: Chosen | null, manifest: Manifest | null): readonly (readonly [name: string, text: string])[] {
  const scripts = { start: 'orderwire start', check: 'orderwire check' }
  const fresh = { private: true, type: 'module', scripts, dependencies: { orderwire: `^${VERSION}` } }
  const secrets = chosen?.values.filter(({ option }) => option.variable !== null) ?? []
  return [
    ['package.json', `${JSON.stringify(manifest ? { ...manifest, type: 'module' } : fresh, null, 2)}\n`],
    ['orderwire.config.ts', chosen ? configurationOf(chosen) : SANDBOX_CONFIGURATION],
    ['handlers/log-events.ts', HANDLER],
    ['.env.example', ENVIRONMENT_EXAMPLE + environmentOf(secrets.map(({ option }) => [option.variable ?? '', '']))],
    ...(secrets.length > 0
      ? [['.env', environmentOf(secrets.map(({ option, value }) => [option.variable ?? '', value]))] as const]
      : []),
    ['.gitignore', IGNORED],
  ]
}

/** Writes a file unless it is there; `replace`: although it is there. True: it was written. Secrets are readable by their owner only. */
async function writeNew(path: string, text: string, replace: boolean): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(path, text, { flag: replace ? 'w' : 'wx', ...(path.endsWith('.env') && { mode: 0o600 }) })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw new AppError(`${path} cannot be written: ${messageOf(error)}`, { code: 'cli.init', intent: 'fix' })
  }
}
