import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const SANDBOX_PORT = 18_790

/** The shipped configuration's connections. */
const sandboxConfig = {
  sandbox: { port: SANDBOX_PORT, speed: 3 },
  handlers: join(import.meta.dirname, '../../handlers'),
  connections: [
    {
      id: 'kk',
      vendor: 'kakaclo' as const,
      baseUrl: `http://127.0.0.1:${SANDBOX_PORT}/kakaclo/openapi`,
      token: 'sandbox-kakaclo-token',
      pollEvery: '200ms',
    },
    {
      id: 'tuya',
      vendor: 'tuya' as const,
      baseUrl: `http://127.0.0.1:${SANDBOX_PORT}/tuya`,
      clientId: 'sandbox-tuya-id',
      clientSecret: 'sandbox-tuya-secret',
      mallCode: 'sandbox-mall',
      shopCode: 'sandbox-shop',
      pollEvery: '200ms',
    },
    {
      id: 'shop',
      vendor: 'shoplazza' as const,
      baseUrl: `http://127.0.0.1:${SANDBOX_PORT}/shoplazza/openapi/2022-01`,
      accessToken: 'sandbox-shoplazza-token',
      pollEvery: '200ms',
    },
  ],
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let running: Program[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await Promise.all(
    running.map(({ child, end }) => (child.exitCode === null && child.signalCode === null ? end('SIGKILL') : null)),
  )
  running = []
  await folder.remove()
})

async function started(env: NodeJS.ProcessEnv = {}): Promise<Program> {
  const program = await startProgram(folder.path, env)
  running.push(program)
  return program
}

describe('start', () => {
  test('delivers events of all three vendors to a handler, and stops cleanly', async () => {
    await configure(folder.path, sandboxConfig)
    const program = await started()
    for (const connection of ['kk', 'tuya', 'shop']) {
      await until(`${connection} has events`, async () => {
        const { body } = await program.get(`/v1/events?connection=${connection}`)
        return (body as { data: unknown[] }).data.length > 0
      })
      await until(
        `a handler prints them`,
        () => program.output().includes(`"handler":"print"`) && program.output().includes(`  ${connection}  order`),
      )
    }
    expect(await program.end('SIGINT')).toBe(0)
    await expect(stat(join(folder.path, 'data/server.json'))).rejects.toThrow('ENOENT')
  })

  test('finds another port for the sandbox when its own is taken', async () => {
    await configure(folder.path, sandboxConfig)
    await started()
    const second = await startProgram(folder.path, { ORDERWIRE_DATA: join(folder.path, 'other') })
    running.push(second)
    await until(
      'the second has events too',
      async () => ((await second.get('/v1/events')).body as { data: unknown[] }).data.length > 0,
    )
  })

  test('is ready, and tells commands where it is', async () => {
    await configure(folder.path, sandboxConfig)
    const program = await started()
    await until('it is ready', async () => (await program.get('/readyz')).status === 200)
    const server = JSON.parse(await readFile(join(folder.path, 'data/server.json'), 'utf8'))
    expect(server.url).toBe(program.url)
    expect((await stat(join(folder.path, 'data/server.json'))).mode & 0o077).toBe(0)
    const poll = await command(folder.path, ['poll', 'kk'])
    expect([poll.code, poll.stderr]).toEqual([0, ''])
    expect(poll.stdout).toMatch(/\d+ orders read, \d+ new events/)
    const events = await command(folder.path, ['events', '--json', '--connection', 'kk', '--since', '1h'])
    expect(
      events.stdout
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line).specversion),
    ).toContain('1.0')
  })
})

describe('keys', () => {
  const admin = { ORDERWIRE_API_KEY: 'an-artificial-key-of-32-characters' }
  const keys = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    command(folder.path, ['keys', ...args, '--json'], env)

  test('are made, listed and removed by command, with and without a server, and open what their role may', async () => {
    await configure(folder.path, {})
    const made = JSON.parse((await keys(['add', 'reports', '--role', 'read'])).stdout)
    const program = await started(admin)
    const get = (key: string) =>
      fetch(`${program.url}/v1/events`, { headers: { authorization: `Bearer ${key}` } }).then(({ status }) => status)
    expect([await get(made.key), await get('owk_other'), await get(admin.ORDERWIRE_API_KEY)]).toEqual([200, 401, 200])
    const other = { ...admin, ORDERWIRE_API_KEY: made.key, ORDERWIRE_URL: program.url }
    const refused = await keys(['list'], other)
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stderr).error.message).toContain('"admin"')
    const [listed] = (await keys(['list'])).stdout.split('\n').filter(Boolean)
    expect(JSON.parse(listed ?? '')).toMatchObject({ id: made.id, name: 'reports', role: 'read' })
    expect((await keys(['remove', made.id])).code).toBe(0)
    expect(await get(made.key)).toBe(401)
    expect(program.output()).not.toContain(made.key)
  })

  test.each([[['add', 'x']], [['add']], [['remove']], [['sing']], [['add', 'x', '--role', 'root']]])(
    '%j is wrong usage',
    async args => {
      await configure(folder.path, {})
      expect((await keys(args)).code).toBe(2)
    },
  )
})

describe('what cannot be', () => {
  test('a second process on the same data folder is refused', async () => {
    await configure(folder.path, sandboxConfig)
    await started()
    const second = await command(folder.path, ['start'])
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/data.*in use|in use.*data/)
  })

  test('a data folder that cannot be used is refused', async () => {
    await configure(folder.path, { connections: [] })
    await writeFile(join(folder.path, 'data'), 'not a folder')
    const { code, stderr } = await command(folder.path, ['start'])
    expect(code).toBe(1)
    expect(stderr).toContain(join(folder.path, 'data'))
  })

  test('a database that is none is refused and left as it is', async () => {
    await configure(folder.path, { connections: [] })
    await mkdir(join(folder.path, 'data'))
    await writeFile(join(folder.path, 'data/orderwire.db'), 'x'.repeat(8192))
    const { code, stderr } = await command(folder.path, ['start'])
    expect(code).toBe(1)
    expect(stderr).toContain('orderwire.db')
    expect(await readFile(join(folder.path, 'data/orderwire.db'), 'utf8')).toBe('x'.repeat(8192))
  })

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
  ])('a configuration with $name exits 2 and names the key', async ({ config, says, never }) => {
    await writeFile(join(folder.path, 'orderwire.config.json'), JSON.stringify(config))
    const { code, stderr } = await command(folder.path, ['start'])
    expect(code).toBe(2)
    for (const word of says) expect(stderr).toContain(word)
    if (never) expect(stderr).not.toContain(never)
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
  ])('$name exits 2 and says what to set', async ({ env, says }) => {
    await configure(folder.path, { connections: [] })
    const { code, stderr } = await command(folder.path, ['start'], env)
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)])
  })

  test.each([
    { args: ['start', '--roles', 'ingest'], says: 'KAFKA_BROKERS' },
    {
      args: ['start', '--speed', '3'],
      says: 'orderwire: start does not take --speed. It takes --roles. Try: orderwire start --help\n',
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
  ])('wrong usage: $args', async ({ args, says }) => {
    await configure(folder.path, { connections: [] })
    const { code, stderr } = await command(folder.path, args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)])
  })
})
