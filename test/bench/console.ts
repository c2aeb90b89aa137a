import { existsSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { groupOf } from '../../src/console/groups.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { env, openHarness } from '../api/harness.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { fillLarge, type Size, sample } from './large-store.ts'
import { type Statements, watchStatements } from './watch-statements.ts'

/**
 * How long each page of the console and each list of the API takes on a large store: the first time, and the median of five. Beside it the
 * slowest statement of all looks at it. `node test/bench/console.ts [--events 1000000] [--endpoints 1000] [--store sqlite|postgres] [--folder F]
 * [--only PART] [--json FILE]`. `--folder` keeps the SQLite store there, and takes the one that is there.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    endpoints: { type: 'string' },
    store: { type: 'string' },
    folder: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})
const size: Size = { events: Number(values.events ?? 1_000_000), endpoints: Number(values.endpoints ?? 1_000) }
const [LOOKS, SHOWN_MS] = [5, 20]
/** As long as pages rest between two looks: what is kept for a moment is read again for each. */
const REST_MS = 5_000
const real = systemClock()
let rested = 0
const clock = { ...real, now: () => real.now() + rested, monotonic: () => real.monotonic() + rested }
const now = clock.now()
const { eventId, order, letter } = sample(size)
const aWeekAgo = new Date(now - 7 * 86_400_000).toISOString()

const PATHS: readonly string[] = [
  '/',
  '/?span=24h',
  '/orders',
  '/orders?q=1000',
  `/orders/${order.connection}/${order.orderId}`,
  '/events',
  `/events?type=order.refunded&connection=kk&since=${aWeekAgo}`,
  `/events?order=${order.number}`,
  `/events/${eventId}`,
  '/connections',
  '/connections/shop',
  '/destinations',
  '/destinations?sort=p99&page=3',
  '/destinations/e0',
  '/destinations/e1',
  '/destinations/e1?outcome=delivered',
  '/destinations/e3?outcome=failed',
  `/destinations/e0?of=${order.number}`,
  `/destinations/e0?replay=1&since=${aWeekAgo}`,
  '/destinations/e0?filter=%7B%22data.order.currency%22%3A%5B%22EUR%22%5D%7D',
  '/dead-letters',
  `/dead-letters?destination=e1&group=${groupOf('It answered 500')}`,
  `/dead-letters/${letter}`,
  '/quarantine',
  '/quarantine?connection=kk',
  '/catalogue',
  '/settings',
  `/search?q=${order.number.slice(0, 3)}`,
  '/v1/attention',
  '/v1/connections',
  '/v1/destinations?limit=250',
  '/v1/endpoints?limit=250',
  '/v1/orders?limit=250',
  '/v1/events?limit=250&order=desc',
  `/v1/events?limit=250&since=${aWeekAgo}`,
  '/v1/deliveries?limit=250',
  '/v1/deliveries?limit=250&outcome=failed',
  '/v1/deliveries?limit=250&outcome=dead',
  '/v1/deliveries?limit=250&destination=e1&outcome=delivered',
  `/v1/deliveries?limit=250&order=${order.number}`,
  '/v1/dead-letters?limit=250',
  '/v1/dead-letters?limit=250&destination=e1&error=It answered 500',
  '/v1/quarantine?limit=250',
  '/v1/keys',
  '/metrics',
]

interface Result {
  readonly row: string
  readonly first: number
  readonly median: number
  /** Of this process, milliseconds: what a look costs on a machine that does other work as well. */
  readonly cpu: number
}
const results: Result[] = []

async function measure(name: string, store: Store, statements: Statements): Promise<void> {
  const harness = await openHarness({ store, clock })
  await harness.store.close()
  console.log(
    `${name}: ${size.events} events, ${size.endpoints} endpoints; milliseconds: first, median of ${LOOKS}, its CPU here`,
  )
  for (const path of PATHS.filter(one => one.includes(values.only ?? ''))) {
    statements.forget()
    const look = async () => {
      rested += REST_MS
      const [start, begun] = [performance.now(), process.cpuUsage()]
      const answer = await harness.app.request(path, { headers: { accept: 'text/html,*/*' } }, env())
      const text = await answer.text()
      if (answer.status >= 400) throw new Error(`${path} is answered ${answer.status}: ${text.slice(0, 300)}`)
      const { user, system } = process.cpuUsage(begun)
      return { ms: performance.now() - start, cpu: (user + system) / 1000 }
    }
    const { ms: first } = await look()
    const looks: { ms: number; cpu: number }[] = []
    for (let count = 0; count < LOOKS; count++) looks.push(await look())
    const median = middle(looks.map(({ ms }) => ms))
    const cpu = middle(looks.map(one => one.cpu))
    results.push({ row: `${name} ${path}`, first, median, cpu })
    const slowest = statements.slowest()
    console.log(
      `${median > 100 || first > 100 ? '!' : ' '} ${first.toFixed(1).padStart(8)} ${median.toFixed(1).padStart(8)} ${cpu.toFixed(1).padStart(8)}  ${path}${
        slowest && slowest.ms > SHOWN_MS ? `\n      ${slowest.ms.toFixed(0)} ms: ${slowest.text}` : ''
      }`,
    )
  }
}

const middle = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

async function onSqlite(): Promise<void> {
  const kept = values.folder
  const folder = kept === undefined ? await temporaryFolder() : { path: kept, remove: async () => {} }
  if (!existsSync(`${folder.path}/orderwire.db`)) await fillSqlite(folder.path)
  const statements = watchStatements()
  const store = await openSqlite({ folder: folder.path, clock })
  await configure(store)
  await measure('SQLite', store, statements)
  await store.close()
  await folder.remove()
}

async function fillSqlite(folder: string): Promise<void> {
  await (await openSqlite({ folder, clock })).close()
  const file = `${folder}/orderwire.db`
  const database = new DatabaseSync(file)
  database.exec('pragma synchronous = off; pragma cache_size = -500000; pragma temp_store = memory')
  const start = performance.now()
  await fillLarge(async statement => database.exec(statement), size, now)
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  console.log(
    `filled in ${((performance.now() - start) / 1000).toFixed(0)} s, ${Math.round(statSync(file).size / 1e6)} MB`,
  )
}

async function onPostgres(): Promise<void> {
  const server = await startPostgres()
  if (!server) return
  const url = await server.newDatabase()
  await (await openPostgres({ url, clock })).close()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const start = performance.now()
  await fillLarge(async statement => void (await client.query(statement)), size, now)
  await client.query('vacuum analyze')
  await client.end()
  console.log(`filled in ${((performance.now() - start) / 1000).toFixed(0)} s`)
  const statements = watchStatements()
  const store = await openPostgres({ url, clock })
  await configure(store)
  await measure('PostgreSQL', store, statements)
  await store.close()
  await server.stop()
}

const configure = (store: Store) =>
  store.connections.configure(
    [
      ['shop', 'shoplazza'],
      ['kk', 'kakaclo'],
      ['tuya', 'tuya'],
    ].map(([id = '', vendor = '']) => ({ id, vendor, fingerprint: 'f' })),
  )

if (values.store !== 'postgres') await onSqlite()
if (values.store !== 'sqlite') await onPostgres()
if (values.json) writeFileSync(values.json, JSON.stringify(results))
