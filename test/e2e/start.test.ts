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

  test('wrong configuration and wrong usage exit 2, and nothing else is printed', async () => {
    await configure(folder.path, { connections: [] })
    const { code, stdout, stderr } = await command(folder.path, ['start', '--speed', '3'])
    const says = 'orderwire: start does not take --speed. It takes --roles. Try: orderwire start --help\n'
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: says })
    const unset = await command(folder.path, ['start'], { PORT: 'eighty' })
    expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('PORT')])
    await writeFile(join(folder.path, 'orderwire.config.json'), '{ "connections": [{ "id": "kk", "vendor": "etsy" }] }')
    const unknown = await command(folder.path, ['start'])
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('connections[0].vendor')])
  })
})
