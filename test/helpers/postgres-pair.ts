import type { ChildProcess } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { type Binaries, end, freePort, initialise, run, serve, serverUser, usableBinaries } from './postgres.ts'
import { temporaryFolder } from './temp.ts'
import { until } from './until.ts'

/** A primary and its streaming standby. */
export interface PostgresPair {
  /** An empty database; its URL names both servers. */
  newDatabase(): Promise<string>
  /** Runs a statement on the server that accepts writes now. */
  query<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]>
  /** The standby receives nothing any more: what the primary commits from now on is lost with it. */
  cutStandby(): Promise<void>
  /** SIGKILL. */
  killPrimary(): Promise<void>
  /** The primary and its processes hang with their connections open, as a machine that is gone looks from outside. */
  freezePrimary(): Promise<void>
  /** Makes the standby the primary. */
  promote(): Promise<void>
  stop(): Promise<void>
}

/** `synchronous`: a commit waits until the standby has it. null: this machine cannot run PostgreSQL, which has been said. */
export async function startPostgresPair({ synchronous }: { synchronous: boolean }): Promise<PostgresPair | null> {
  const folder = await temporaryFolder()
  try {
    const user = await serverUser()
    if (user) await run('chown', [`${user.uid}:${user.gid}`, folder.path], null)
    const binaries = await usableBinaries(folder.path, user)
    return await pairIn(folder, binaries, user, synchronous)
  } catch (error) {
    await folder.remove()
    if (process.env.CI === 'true') throw error
    console.warn(`SKIPPED: no PostgreSQL of our own (${error instanceof Error ? error.message : String(error)})`)
    return null
  }
}

async function pairIn(
  folder: Awaited<ReturnType<typeof temporaryFolder>>,
  binaries: Binaries,
  user: Awaited<ReturnType<typeof serverUser>>,
  synchronous: boolean,
): Promise<PostgresPair> {
  const [data, copy] = [join(folder.path, 'primary'), join(folder.path, 'standby')]
  await initialise(binaries, data, user)
  // A copy of a server that has never run is a base backup.
  await run('cp', ['-a', data, copy], null)
  const [port, standbyPort] = [await freePort(), await freePort()]
  const urlOf = (of: number) => `postgres://postgres@127.0.0.1:${of}/postgres`
  await writeFile(join(copy, 'standby.signal'), '')
  await writeFile(
    join(copy, 'postgresql.auto.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres application_name=standby'\n`,
  )
  const settings = { wal_keep_size: '512MB' }
  const primary = await serve(binaries, {
    ...{ data, port, user, url: urlOf(port) },
    settings: synchronous ? { ...settings, synchronous_standby_names: 'standby' } : settings,
  })
  const standby = await serve(binaries, { data: copy, port: standbyPort, user, url: urlOf(standbyPort), settings })
  let writable = port
  let frozen: readonly number[] = []

  async function query<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]> {
    const own = new URL(url.replace(/@[^/]*/, `@127.0.0.1:${writable}`))
    const client = new pg.Client({ connectionString: own.href, connectionTimeoutMillis: 2_000, query_timeout: 2_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query<R>(text)).rows
    } finally {
      void client.end().catch(() => {})
    }
  }

  const streaming = async () =>
    (await query(urlOf(port), `select 1 from pg_stat_replication where state = 'streaming'`)).length > 0
  await until('the standby streams', streaming)

  return {
    query,
    async newDatabase() {
      await query(urlOf(writable), 'create database orderwire')
      return `postgres://postgres@127.0.0.1:${port},127.0.0.1:${standbyPort}/orderwire`
    },
    async cutStandby() {
      const at = async (text: string) => {
        const client = new pg.Client({ connectionString: urlOf(standbyPort) })
        await client.connect()
        try {
          return (await client.query(text)).rows.length
        } finally {
          await client.end()
        }
      }
      await at(`alter system set primary_conninfo = ''`)
      await at('select pg_reload_conf()')
      await until('the standby receives nothing', async () => (await at('select 1 from pg_stat_wal_receiver')) === 0)
    },
    killPrimary: () => end(primary, 'SIGKILL'),
    async freezePrimary() {
      frozen = await processesOf(primary)
      for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    },
    async promote() {
      writable = standbyPort
      const client = new pg.Client({ connectionString: urlOf(standbyPort) })
      await client.connect()
      await client.query('select pg_promote(true, 60)')
      await client.end()
    },
    async stop() {
      // The postmaster goes first: one that goes on finds its processes dead and starts them anew.
      for (const pid of frozen) killQuietly(pid)
      await Promise.all([end(primary, 'SIGKILL'), end(standby)])
      await folder.remove()
    },
  }
}

/** The postmaster and all that it has started. */
async function processesOf({ pid }: ChildProcess): Promise<readonly number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number)
  return pid === undefined ? [] : [pid, ...children]
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
