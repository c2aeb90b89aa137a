import { systemClock } from '../../src/lib/clock.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { attemptRow, leaseOf, NOW, order, page, spilled } from '../contract/store/world.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** Times of the hot calls on both databases: `node test/bench/store.ts [rounds]`. */
const ROUNDS = Number(process.argv[2] ?? 100)

async function measure(store: Store, name: string): Promise<void> {
  const lease = await leaseOf(store)
  const times = new Map<string, number[]>()
  const timed = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const value = await run()
    times.set(label, [...(times.get(label) ?? []), performance.now() - start])
    return value
  }
  const body = JSON.stringify({ filler: 'x'.repeat(1000) })
  for (let round = 0; round < ROUNDS; round++) {
    const ids = Array.from({ length: 250 }, (_, index) => `r${round}-${index}`)
    const events = ids.map((orderId, index) =>
      eventRecord({ orderId, body, id: `evt_${Math.random()}-${round}-${index}` }),
    )
    await timed('commit of 250 orders and 250 events', () =>
      store.orders.commit(lease, page({ orders: ids.map(id => order(id)), events })),
    )
    await timed('digests of 250 orders', () => store.orders.digests('shop', ids))
    const attempts = [...events, ...events].map(event => attemptRow(event))
    await timed('record of 500 attempts', () => store.deliveries.record(attempts))
    await timed('existing of 250 lanes', () =>
      store.lanes.existing(
        'billing',
        events.map(event => event.orderKey),
      ),
    )
    await timed('list of 500 events', () => store.events.list({}, { limit: 500, after: Math.max(0, round - 2) * 250 }))
    await timed('spill of 250 events', () => store.lanes.spill(spilled('billing', events), { nextAt: NOW, attempt: 0 }))
    await timed('due of 100 lanes', () =>
      store.lanes.due({ destination: 'billing', now: NOW, limit: 100, owned: null, skip: new Set() }),
    )
    await timed('delivered of 16 lanes', () =>
      store.lanes.delivered(
        'billing',
        events.slice(0, 16).map(event => ({ orderKey: event.orderKey, eventIds: [event.id] })),
        NOW,
      ),
    )
    await timed('renew of a lease', () => store.leases.renew(lease, 3_600_000, Date.now()))
    await timed('offset', () => store.offsets.set('g', 0, round))
  }
  console.log(`${name}, ${ROUNDS} rounds, milliseconds (median, p99)`)
  for (const [label, values] of times) {
    values.sort((a, b) => a - b)
    const at = (share: number) => (values[Math.floor((values.length - 1) * share)] ?? 0).toFixed(2)
    console.log(`  ${label.padEnd(40)} ${at(0.5).padStart(8)} ${at(0.99).padStart(8)}`)
  }
}

const clock = systemClock()
const folder = await temporaryFolder()
const sqlite = await openSqlite({ folder: folder.path, clock })
await measure(sqlite, 'SQLite')
await sqlite.close()
await folder.remove()

const server = await startPostgres()
if (server) {
  const postgres = await openPostgres({ url: await server.newDatabase(), clock })
  await measure(postgres, 'PostgreSQL (fsync off)')
  await postgres.close()
  await server.stop()
}
