import pg from 'pg'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import { callHot, callPages, fill } from '../../contract/store/hot-calls.ts'
import { leaseOf } from '../../contract/store/world.ts'
import { startPostgres } from '../../helpers/postgres.ts'

const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)
afterEach(() => vi.restoreAllMocks())

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly Plan[]
}

function* nodes(plan: Plan, parent?: Plan): Generator<{ node: Plan; parent: Plan | undefined }> {
  yield { node: plan, parent }
  for (const child of plan.Plans ?? []) yield* nodes(child, plan)
}

test.skipIf(!server)(
  'no statement of an idle poll, of a delivery, of a drain or of retention scans a table, and none of a page has to',
  async () => {
    const url = (await server?.newDatabase()) ?? ''
    const store = await openPostgres({ url, clock: systemClock() })
    const lease = await leaseOf(store)
    await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
    await fill(store, lease)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('analyze')

    const query = vi.spyOn(pg.Client.prototype, 'query')
    await callHot(store, lease)
    const hot = query.mock.calls.length
    await callPages(store)
    const calls = query.mock.calls.map(([text, values]) => ({
      text: String(text),
      values: values as unknown as unknown[],
    }))
    query.mockRestore()
    await store.close()

    const scans: string[] = []
    for (const [index, { text, values }] of calls.entries()) {
      // A page looks at more rows than it shows: of these small tables as many as there are. On large ones an index must do.
      if (index === hot) await client.query('set enable_seqscan = off; set enable_hashjoin = off')
      if (!/^\s*(select|insert|update|delete|with)/.test(text) || text.includes('pg_advisory')) continue
      const { rows } = await client.query(`explain (format json) ${text}`, values)
      for (const { node, parent } of nodes(rows[0]['QUERY PLAN'][0].Plan)) {
        // Without a condition an index is read whole, but for the first rows of it.
        const whole = node['Node Type'].includes('Index') && !node['Index Cond'] && parent?.['Node Type'] !== 'Limit'
        // Small tables fit a page or two; reading them whole is what a planner should do.
        const small = [
          'leases',
          'connections',
          'offsets',
          'dead_letters',
          'quarantine',
          'replays',
          'expired_dead_letters',
          'backfills',
          'endpoints',
          'reconciliations',
          'sessions',
          'unpublished',
        ].includes(node['Relation Name'] ?? '')
        // What waits is few rows here: a page may hash all of them at once, where a large store looks each up.
        const hashed = index >= hot && /^(lanes|backlog)/.test(node['Relation Name'] ?? node['Index Name'] ?? '')
        if ((node['Node Type'] === 'Seq Scan' || whole) && !small && !hashed)
          scans.push(`${node['Node Type']} ${node['Relation Name'] ?? node['Index Name']} ← ${text}`)
      }
    }
    await client.end()
    expect(calls.length).toBeGreaterThan(30)
    expect(scans).toEqual([])
  },
)
