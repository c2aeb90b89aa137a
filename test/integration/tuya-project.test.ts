import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Config } from '../../schemas/config.ts'
import { connectAll } from '../../src/app.ts'
import { sharedBetweenProcesses } from '../../src/ingest/group-vault.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSecretBox } from '../../src/lib/secret-box.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { TUYA_CLIENT_ID, TUYA_CLIENT_SECRET, TUYA_MALL, TUYA_SHOP } from '../../src/sandbox/tuya.ts'
import { connectionGroups } from '../../src/sources/connect.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { quietLog } from '../helpers/quiet.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** Two connections of one Tuya project against the simulated vendor, in one process and in two on one database. */

const projectIds = (config: Config) => new Set(connectionGroups(config).keys())
const clock = systemClock()
const READ = { signal: new AbortController().signal, priority: 'live' as const }
const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function vendor() {
  const sandbox = await createSandbox({ port: 0, clock, lapse: false, limits: false })
  cleanups.push(() => sandbox.close())
  const shared = { vendor: 'tuya', baseUrl: `${sandbox.url}/tuya`, clientId: TUYA_CLIENT_ID, mallCode: TUYA_MALL }
  const keys = { ...shared, clientSecret: TUYA_CLIENT_SECRET, shopCode: TUYA_SHOP }
  const rateLimit = { perSecond: 50, burst: 5 }
  const config = Config.parse({
    connections: [
      { ...keys, id: 'one', rateLimit },
      { ...keys, id: 'two', rateLimit: { perSecond: 20, burst: 10 } },
    ],
  })
  const calls = () => sandbox.tuya.requests().map(({ url, status }) => ({ url, status }))
  return { sandbox, config, tokenCalls: () => calls().filter(({ url }) => url.includes('/v1.0/token')).length, calls }
}

/** The connections as a process has them. */
function processOf(store: Store, config: Config, owner: string) {
  const box = createSecretBox(new Uint8Array(32).fill(7))
  const shared = sharedBetweenProcesses({ store, shared: true, box, owner, clock })
  const connected = connectAll({ config, clock, log: quietLog, shared })
  cleanups.push(() => Promise.all(connected.map(each => each.close())))
  return connected.map(({ source }) => source)
}

const readPages = async (sources: ReturnType<typeof processOf>, times: number) => {
  const pages = Array.from({ length: times }, () =>
    sources.map(({ feed }) => (feed.kind === 'follow' ? feed.readUserPage('buyer-1', null, READ) : null)),
  )
  return Promise.all(pages.flat())
}

describe('case 50: two connections of one Tuya project', () => {
  test('share one token in one process, and the stricter pace', async () => {
    const folder = await temporaryFolder()
    cleanups.push(folder.remove)
    const store = await openTestSqlite({ folder: folder.path, clock })
    cleanups.push(() => store.close())
    const { config, tokenCalls, sandbox } = await vendor()
    const sources = processOf(store, config, 'p1')
    const from = clock.monotonic()
    await readPages(sources, 15)
    expect(tokenCalls()).toBe(1)
    // 30 pages and a token at 20/s with a burst of 5.
    expect(clock.monotonic() - from).toBeGreaterThan(1_200)
    sandbox.tuya.expireToken()
    await readPages(sources, 3)
    expect(tokenCalls()).toBe(2)
    sandbox.tuya.replaceToken()
    await readPages(sources, 3)
    expect(tokenCalls()).toBe(3)
    for (const source of sources) await source.check(READ)
    expect(tokenCalls()).toBe(3)
  })

  test.skipIf(!server)(
    'share one token and one pace in two processes on PostgreSQL',
    async () => {
      const url = (await server?.newDatabase()) ?? ''
      const stores = [await openPostgres({ url, clock }), await openPostgres({ url, clock })]
      for (const store of stores) cleanups.push(() => store.close())
      const { config, tokenCalls, calls, sandbox } = await vendor()
      const sources = stores.flatMap((store, index) => processOf(store, config, `p${index}`))
      const from = clock.monotonic()
      await readPages(sources, 10)
      expect(tokenCalls()).toBe(1)
      // 40 pages and a token at 20/s with a burst of 5, together.
      expect(clock.monotonic() - from).toBeGreaterThan(1_600)
      sandbox.tuya.expireToken()
      await readPages(sources, 2)
      expect(tokenCalls()).toBe(2)
      expect(calls().every(({ status }) => status === 200)).toBe(true)
      const [row] = await Promise.all([...stores].map(store => store.projects.token([...projectIds(config)][0] ?? '')))
      expect(row?.sealed).toMatch(/^v1\./)
      expect(row?.sealed).not.toContain('access-')
    },
    60_000,
  )

  test('are two projects where the secret or the base URL differs', async () => {
    const { config } = await vendor()
    const [one, two] = config.connections
    if (!one || !two) throw new TypeError('expected two connections')
    const idsOf = (own: object) => projectIds({ ...config, connections: [one, { ...two, ...own }] }).size
    expect([
      idsOf({}),
      idsOf({ baseUrl: `${two.baseUrl}/` }),
      idsOf({ clientSecret: 'x' }),
      idsOf({ baseUrl: 'http://b' }),
    ]).toEqual([1, 1, 2, 2])
  })
})
