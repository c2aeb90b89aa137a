import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { temporaryFolder } from './temp.ts'

export interface Pooler {
  /** The same database through the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

const PLACES = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer']

/** Where PgBouncer is; null after saying that it is missing. With CI=true that is an error instead. */
export function pgbouncerBinary(): string | null {
  const found = PLACES.find(existsSync)
  if (found) return found
  const message = 'No PgBouncer for the tests (apt-get install pgbouncer).'
  if (process.env.CI === 'true') throw new Error(message)
  console.warn(`SKIPPED: ${message}`)
  return null
}

/** A PgBouncer with its usual settings before the server of this URL, which lets everybody in. */
export async function startPgbouncer(
  binary: string,
  options: { url: string; mode: 'session' | 'transaction'; servers: number },
): Promise<Pooler> {
  const folder = await temporaryFolder()
  const user = await poolerUser()
  const server = new URL(options.url)
  const port = await freePort()
  const [settings, users] = [join(folder.path, 'pgbouncer.ini'), join(folder.path, 'users.txt')]
  await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`)
  await writeFile(
    settings,
    `[databases]
* = host=${server.hostname} port=${server.port || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${options.mode}
default_pool_size = ${options.servers}
max_client_conn = 200
logfile = ${join(folder.path, 'log')}
`,
  )
  if (user) for (const path of [folder.path, settings, users]) await chown(path, user.uid, user.gid)
  const child = spawn(binary, [settings], { stdio: 'ignore', cwd: '/', ...user })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const through = (url: string) => {
    const own = new URL(url)
    own.host = `127.0.0.1:${port}`
    return own.href
  }
  await untilReady(through(options.url), child)
  return {
    through,
    stop: async () => {
      const closed = new Promise(resolve => child.once('close', resolve))
      kill()
      await closed
      process.off('exit', kill)
      await folder.remove()
    },
  }
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 120_000
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select 1')
      return
    } catch (error) {
      if (child.exitCode !== null || Date.now() > deadline) throw error
      await sleep(50)
    } finally {
      await client.end().catch(() => {})
    }
  }
}

/** PgBouncer refuses to run as root. */
async function poolerUser(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  const line = ['postgres', 'nobody'].map(name => lines.find(([user]) => user === name)).find(Boolean)
  if (!line) throw new Error('running as root, and there is no user "postgres" or "nobody" to run PgBouncer as')
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

async function freePort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  await new Promise(resolve => listener.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
