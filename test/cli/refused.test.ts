import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/program.ts'
import { AppError } from '../../src/lib/errors.ts'
import { configure } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const home = process.cwd()
beforeEach(async () => {
  folder = await temporaryFolder()
  process.chdir(folder.path)
})
afterEach(async () => {
  process.chdir(home)
  await folder.remove()
})

/** What a command line is refused with; `main.ts` prints it and exits 2. */
async function refusal(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const signal = new AbortController().signal
  const own = { ORDERWIRE_DATA: join(folder.path, 'data'), PORT: '0', ...env }
  const error = await runCommandLine({ argv, env: own, signal, write: () => {} }).catch(found => found)
  if (!(error instanceof AppError)) throw error ?? new Error('it was not refused')
  expect(error.code).toMatch(/^(config|handlers|cli\.usage)/)
  return error.message
}

describe('a command line that cannot be', () => {
  test.each<{ name: string; config: unknown; says: string[]; never?: string }>([
    { name: 'an unknown key', config: { connections: [], conections: [] }, says: ['conections', 'unknown key'] },
    {
      name: 'a missing credential',
      config: { connections: [{ id: 'kk', vendor: 'kakaclo', baseUrl: 'https://example.com' }] },
      says: ['connections[0].token', 'expected a string', 'found nothing'],
    },
    {
      name: 'an unknown vendor',
      config: { connections: [{ id: 'kk', vendor: 'etsy' }] },
      says: ['connections[0].vendor', 'kakaclo', 'etsy'],
    },
    {
      name: 'a duration that is none',
      config: {
        connections: [
          { id: 'kk', vendor: 'kakaclo', baseUrl: 'https://example.com', token: 't0ps3cret', pollEvery: 'soon' },
        ],
      },
      says: ['connections[0].pollEvery', '"5s"', '"soon"'],
      never: 't0ps3cret',
    },
    {
      name: 'a rate that is none',
      config: {
        connections: [
          { id: 'kk', vendor: 'kakaclo', baseUrl: 'https://example.com', token: 't0ps3cret', rateLimit: 'fast' },
        ],
      },
      says: ['connections[0].rateLimit', '"2/s"', 'found "fast"'],
      never: 't0ps3cret',
    },
    {
      name: 'a secret of the wrong kind, which is not shown',
      config: { endpoints: [{ id: 'e', url: 'https://example.com', secret: 'hunter2hunter2' }] },
      says: ['endpoints[0].secret', 'whsec_'],
      never: 'hunter2',
    },
    {
      name: 'an id used twice',
      config: {
        endpoints: [
          { id: 'e', url: 'https://example.com' },
          { id: 'e', url: 'https://example.org' },
        ],
      },
      says: ['endpoints[1].id', 'not used twice', 'found "e"'],
    },
    {
      name: 'an environment variable that is not set',
      config: {
        connections: [
          { id: 'kk', vendor: 'kakaclo', baseUrl: 'https://example.com', token: ['$', '{NOT_SET_ANYWHERE}'].join('') },
        ],
      },
      says: ['connections[0].token', 'NOT_SET_ANYWHERE'],
    },
  ])('a configuration with $name is refused by the name of the key', async ({ config, says, never }) => {
    await writeFile(join(folder.path, 'orderwire.config.json'), JSON.stringify(config))
    const said = await refusal(['start'])
    for (const word of says) expect(said).toContain(word)
    if (never) expect(said).not.toContain(never)
  })

  test.each([
    { name: 'a port that is none', env: { PORT: 'eighty' }, says: 'PORT' },
    { name: 'a host that others reach, without a key', env: { HOST: '0.0.0.0' }, says: 'ORDERWIRE_API_KEY' },
    { name: 'a key that is too short', env: { ORDERWIRE_API_KEY: 'short' }, says: '24' },
    { name: 'brokers that are none', env: { KAFKA_BROKERS: 'http://x' }, says: 'KAFKA_BROKERS' },
    {
      name: 'PostgreSQL without a secret key',
      env: { DATABASE_URL: 'postgres://localhost/x' },
      says: 'ORDERWIRE_SECRET_KEY',
    },
  ])('$name is refused with what to set', async ({ env, says }) => {
    await configure(folder.path, { connections: [] })
    expect(await refusal(['start'], env)).toContain(says)
  })

  test.each([
    { args: ['start', '--roles', 'ingest'], says: 'KAFKA_BROKERS' },
    {
      args: ['start', '--speed', '3'],
      says: 'start does not take --speed. It takes --roles. Try: orderwire start --help',
    },
    {
      args: ['endpoints'],
      says: 'one of add, list, show, update, pause, resume, remove, rotate-secret, test',
    },
    { args: ['dead-letters'], says: 'one of list, show, redrive, discard' },
    { args: ['keys'], says: 'one of add, list, remove' },
    { args: ['fly'], says: 'no command "fly"' },
    { args: ['poll'], says: 'name the connection' },
    { args: ['events', '--to', 'x'], says: 'does not take --to' },
    { args: ['start', '--config', 'nowhere.json'], says: 'nowhere.json' },
    { args: ['keys', 'add', 'x'], says: '--role' },
    { args: ['keys', 'add'], says: 'name' },
    { args: ['keys', 'remove'], says: 'id' },
    { args: ['keys', 'sing'], says: 'no command "sing"' },
    { args: ['keys', 'add', 'x', '--role', 'root'], says: 'root' },
  ])('wrong usage: $args', async ({ args, says }) => {
    await configure(folder.path, { connections: [] })
    expect(await refusal(args)).toContain(says)
  })

  test.each([
    [['--vendor', 'ebay'], /expected a vendor, one of kakaclo, tuya, shoplazza, found "ebay"/],
    [['--vendor', 'kakaclo'], /kakaclo needs token/],
    [['--vendor', 'kakaclo', '--set', 'tokn=x'], /no option "tokn"/],
    [['--set', 'token=x'], /name it with --vendor/],
  ])('init --yes %j is refused, and writes nothing', async (args, message) => {
    expect(await refusal(['init', '--yes', ...args])).toMatch(message)
    expect(await readdir(folder.path)).toEqual([])
  })
})
