import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import type { OrderEvent } from '../../schemas/order-event.ts'
import { VerifyLine } from '../../schemas/verify-line.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import { factOf } from '../helpers/fact-of.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const postgres = await startPostgres()
afterAll(() => postgres?.stop(), 60_000)

/** A store in use, a backup of it, and a store made of that backup, as the environment names them. */
interface Kind {
  readonly first: NodeJS.ProcessEnv
  backup(): Promise<void>
  restore(): Promise<NodeJS.ProcessEnv>
}

const kinds: Record<string, ((folder: string) => Promise<Kind>) | null> = {
  SQLite: async folder => {
    const [data, restored, file] = [join(folder, 'data'), join(folder, 'restored'), join(folder, 'backup.db')]
    return {
      first: { ORDERWIRE_DATA: data },
      async backup() {
        const { code, stdout, stderr } = await command(folder, ['backup', file, '--json'])
        expect([code, stderr]).toEqual([0, ''])
        expect(JSON.parse(stdout)).toEqual({ file, bytes: expect.any(Number) })
      },
      async restore() {
        await mkdir(restored)
        await copyFile(file, join(restored, 'orderwire.db'))
        await copyFile(join(data, 'secret.key'), join(restored, 'secret.key'))
        return { ORDERWIRE_DATA: restored }
      },
    }
  },
  PostgreSQL:
    postgres &&
    (async folder => {
      const [url, copy] = [await postgres.newDatabase(), await postgres.newDatabase()]
      const env = (url: string, data: string) => ({
        DATABASE_URL: url,
        ORDERWIRE_DATA: join(folder, data),
        ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      })
      return {
        first: env(url, 'data'),
        backup: () => dumped(url, copy),
        restore: async () => env(copy, 'restored'),
      }
    }),
}

/** What pg_dump does: all rows as one snapshot shows them, and the counters. */
async function dumped(from: string, to: string): Promise<void> {
  await (await openPostgres({ url: to, clock: systemClock() })).close()
  const [source, target] = [new pg.Client(from), new pg.Client(to)]
  await Promise.all([source.connect(), target.connect()])
  await source.query('begin isolation level repeatable read read only')
  const { rows: tables } = await source.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'schema_version'`,
  )
  for (const { name } of tables) {
    const { rows } = await source.query<{ row: string }>(`select to_json(t)::text as row from ${name} t`)
    await target.query(
      `insert into ${name} overriding system value
       select r.* from unnest($1::text[]) as j, json_populate_record(null::${name}, j::json) as r`,
      [rows.map(({ row }) => row)],
    )
  }
  await target.query(`select setval(pg_get_serial_sequence('events', 'n'), (select max(n) from events) + 1000000)`)
  // A dump that is restored later than this one finds them expired.
  await target.query('update leases set owner = null, expires_at = 0')
  await Promise.all([source.end(), target.end()])
}

/** The whole history, or what is behind a cursor. */
const historyOf = async (program: Program, after = ''): Promise<OrderEvent[]> => {
  const events: OrderEvent[] = []
  for (let cursor = after; ; ) {
    const { data, next } = await pageOf(program, 250, cursor)
    events.push(...data)
    if (next === null) return events
    cursor = next
  }
}

async function pageOf(program: Program, limit: number, after: string) {
  const { body } = await program.get(`/v1/events?limit=${limit}${after && `&after=${after}`}`)
  return body as { data: OrderEvent[]; next: string | null }
}

/** A cursor behind the event of this place in the history. */
async function cursorBehind(program: Program, place: number): Promise<string> {
  let cursor = ''
  for (let left = place; left > 0; left -= 250)
    cursor = (await pageOf(program, Math.min(left, 250), cursor)).next ?? cursor
  return cursor
}

const verified = async (folder: string, env: NodeJS.ProcessEnv, flags: readonly string[] = []) => {
  const { code, stdout, stderr } = await command(folder, ['verify', '--json', ...flags], env)
  const lines = stdout.split('\n').filter(Boolean)
  return { code, stderr, lines: lines.map(line => VerifyLine.parse(JSON.parse(line))) }
}

test.for(Object.keys(kinds))(
  '%s: a backup taken under load restores to a consistent store, which reads again from the vendors what came after it',
  { timeout: 240_000 },
  async (name, { skip }) => {
    const make = kinds[name]
    if (!make) return skip('no PostgreSQL')
    const folder = await temporaryFolder()
    const random = createRandom(77)
    const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    const receiver = await subscriber(0.1, random)
    const shop = createShop(sandbox, 5)
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      endpoints: [{ id: 'books', url: receiver.url }],
      network: { allow: ['127.0.0.0/8'] },
      delivery: { retries: Array.from({ length: 40 }, () => '50ms') },
    })
    const kind = await make(folder.path)
    const living = setInterval(() => {
      if (random.chance(0.3)) shop.open()
      for (let i = 0; i < 3; i++) shop.move()
    }, 10)

    try {
      const program = await startProgram(folder.path, kind.first)
      const told = () => historyOf(program)
      await until('events flow', async () => (await told()).length > 60)
      const before = await told()
      await kind.backup()
      const atBackup = (await told()).length
      await until('many more came after the backup', async () => (await told()).length > atBackup + 60)
      const lost = await told()
      const cursor = await cursorBehind(program, lost.length - 1)
      await program.end('SIGKILL')
      clearInterval(living)
      // What happens while nothing runs: new orders come, and every order lives to its end.
      for (let i = 0; i < 20; i++) shop.open()
      while (shop.move());

      const env = await kind.restore()
      const offline = await verified(folder.path, env)
      expect(offline).toMatchObject({ code: 0, stderr: '', lines: [{ type: 'summary', problems: 0 }] })

      const again = await startProgram(folder.path, env)
      try {
        const facts = shop.facts().sort()
        await until('all facts are told', async () => (await historyOf(again)).length >= facts.length, 40_000)
        const events = await historyOf(again)
        expect(events.map(factOf).sort()).toEqual(facts)

        const byId = new Map(events.map(event => [event.id, event]))
        // What was in the backup is the same to the byte.
        expect(before.filter(event => JSON.stringify(byId.get(event.id)) !== JSON.stringify(event))).toEqual([])
        // What was told after it is told again under the same id; only running totals may be told in other steps.
        const elsewhere = lost.filter(event => !byId.has(event.id))
        expect(elsewhere.filter(({ type }) => type !== 'order.refunded')).toEqual([])
        for (const orderKey of new Set(events.map(({ partitionkey }) => partitionkey))) {
          const sequences = events.flatMap(({ partitionkey, data }) =>
            partitionkey === orderKey ? [data.sequence] : [],
          )
          expect(sequences, orderKey).toEqual(sequences.map((_, index) => index + 1))
        }
        // Whoever went by a cursor of the lost history misses nothing of what is new.
        const seen = new Set(lost.map(({ id }) => id))
        const behind = new Set((await historyOf(again, cursor)).map(({ id }) => id))
        expect(events.filter(({ id }) => !seen.has(id) && !behind.has(id))).toEqual([])

        await until('the receiver has every event', () => events.every(({ id }) => receiver.ids().has(id)), 40_000)
        const online = await verified(folder.path, env, ['--against-vendor'])
        expect(online.code, JSON.stringify(online)).toBe(0)
        expect(online.lines.filter(line => line.type === 'connection')).toMatchObject([
          { connection: 'kk', missing: 0, different: 0, unread: 0 },
          { connection: 'shop', missing: 0, different: 0, unread: 0 },
        ])
      } finally {
        expect(await again.end('SIGTERM')).toBe(0)
      }
    } finally {
      clearInterval(living)
      await Promise.all([receiver.close(), sandbox.close()])
      await folder.remove()
    }
  },
)
