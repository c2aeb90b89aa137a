import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Connection } from '../../schemas/config.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createVendorHttp } from '../../src/sources/shared/http.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { builtIn } from '../helpers/built-in.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { quietLog } from '../helpers/quiet.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'
import { cpuOfChildren } from './cpu.ts'

/**
 * Polls of one shop over loopback: none, 1 % or all of its orders changed since the last poll; CPU for each row in all (the database's
 * included, `own` is without it), beside what `JSON.parse` of the same pages takes in the same moment.
 * `node test/bench/poll.ts [--orders 5000] [--rounds 20] [--runs 3] [--store sqlite|postgres] [--only none,1,all] [--json FILE]`
 */
const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '20' },
    runs: { type: 'string', default: '3' },
    store: { type: 'string', default: 'sqlite' },
    only: { type: 'string', default: 'none,1,all' },
    json: { type: 'string' },
  },
})
const [ORDERS, ROUNDS, RUNS] = [Number(values.orders), Number(values.rounds), Number(values.runs)]
const PAGE = 250
const clock = systemClock()
const shop = fork(join(import.meta.dirname, 'poll-shop.ts'), [String(ORDERS)])
const answer = () => new Promise<{ url: string; bytes: number }>(resolve => shop.once('message', resolve))
const { url, bytes } = await answer()
const signal = new AbortController()
const folder = await temporaryFolder()
const server = values.store === 'postgres' ? await startPostgres() : null
if (values.store === 'postgres' && !server) process.exit(1)
const store: Store = server
  ? await openPostgres({ url: await server.newDatabase(), clock })
  : await openSqlite({ folder: folder.path, clock })
/** Takes everything at once: what is left is our own work and the database's. */
const away: EventLog = {
  ...{ commitPublishes: false, ownsAllPartitions: false, partitions: 1, partitionOf: () => 0 },
  append: async () => {},
  consume: () => Promise.reject(new Error('not consumed here')),
  ...{ health: () => null, notice: () => null, contradiction: async () => null },
  ...{ check: async () => 'away', close: async () => {} },
}
const eventLog = server ? away : createEmbeddedLog({ store, clock })
const config = Connection.parse({
  ...{ id: 'kk', vendor: 'kakaclo', baseUrl: url, token: 't', pollEvery: '1h', backfill: '10m', reconcile: false },
  rateLimit: { perSecond: 100_000, burst: 100_000 },
})
const limit = { perSecond: 100_000, burst: 100_000 }
const http = createVendorHttp({ connection: 'kk', baseUrl: url, limit, clock, log: quietLog })
const source = builtIn('kakaclo').create({ connection: config, http, clock, log: quietLog, shared: undefined })
await store.connections.configure([{ id: 'kk', vendor: 'kakaclo', fingerprint: 'bench', seenAt: clock.now() }])
const ingest = createIngest({
  connections: [{ config, source, vendorNow: async () => http.vendorNow() }],
  ...{ store, eventLog, owner: 'bench', clock, log: quietLog, metrics: createMetrics() },
})
const running = ingest.run(signal.signal)

interface Result {
  readonly row: string
  readonly [figure: string]: number | string
}
const results: Result[] = []
const microseconds = ({ user, system }: NodeJS.CpuUsage): number => user + system
const databaseCpu = (): number => (cpuOfChildren([shop.pid ?? 0]).get('postgres') ?? 0) * 1_000

/** Microseconds of CPU that `JSON.parse` takes for each row of these pages. */
async function parseCost(): Promise<number> {
  const text = await (await fetch(`${url}/v2/order/orders?pageNumber=1`)).text()
  for (let warm = 0; warm < 5; warm++) JSON.parse(text)
  const before = process.cpuUsage()
  for (let round = 0; round < 20; round++) JSON.parse(text)
  return microseconds(process.cpuUsage(before)) / 20 / PAGE
}

async function polls(row: string, share: number, rounds: number): Promise<Result> {
  let own = 0
  let database = 0
  let seconds = 0
  let events = 0
  const parses: number[] = []
  for (let round = -2; round < rounds; round++) {
    shop.send({ change: share })
    await answer()
    if (round >= 0 && round % 5 === 0) parses.push(await parseCost())
    const databaseBefore = server ? databaseCpu() : 0
    const [began, before] = [performance.now(), process.cpuUsage()]
    const result = await ingest.poll('kk', { signal: signal.signal })
    if (!eventLog.commitPublishes) await ingest.publish('kk')
    if (round < 0) continue
    own += microseconds(process.cpuUsage(before))
    seconds += (performance.now() - began) / 1000
    if (server) database += databaseCpu() - databaseBefore
    events += result.events.length
  }
  const count = rounds * ORDERS
  const parse = parses.sort((a, b) => a - b)[Math.floor(parses.length / 2)] ?? 0
  const perRow = (own + database) / count
  const figures = { cpu: perRow, own: own / count, database: database / count, parse, timesParse: perRow / parse }
  return { row, perSecond: Math.round(count / seconds), ...figures, events }
}

await until(
  'the shop is read for the first time',
  async () => (await store.connections.get('kk'))?.lastSuccessAt != null,
)
console.log(`${ORDERS} orders of ${Math.round(bytes)} bytes, ${values.store}`)
const ROWS = [
  ['none', 'none changed', 0, ROUNDS],
  ['1', '1 % changed', 0.01, ROUNDS],
  ['all', 'all changed', 1, Math.ceil(ROUNDS / 5)],
] as const
const chosen = ROWS.filter(([name]) => values.only.split(',').includes(name))
for (let run = 0; run < RUNS; run++)
  for (const [, row, share, rounds] of chosen) {
    const result = await polls(row, share, rounds)
    results.push(result)
    const figures = Object.entries(result).slice(1)
    console.log(row.padEnd(14), figures.map(([name, value]) => `${name} ${Number(value).toFixed(1)}`).join('  '))
  }
if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2))
signal.abort()
await running
shop.disconnect()
await http.close()
await store.close()
await server?.stop()
await folder.remove()
process.exit(0)
