import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { createHostOrder } from '../../../src/store/postgres/host-order.ts'
import { answers, createLivenessWatch } from '../../../src/store/postgres/liveness.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import { memoryClock } from '../../helpers/memory-clock.ts'
import { startPostgres } from '../../helpers/postgres.ts'

const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)

/** Passes everything on until it hangs: then it accepts connections and keeps the old ones, and answers nothing. */
async function relay(to: URL) {
  const sockets = new Set<Socket>()
  const state = { hangs: false, connections: 0 }
  const listener = createServer(client => {
    state.connections++
    const upstream = connect(Number(to.port), to.hostname)
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => into.destroy())
      from.on('data', chunk => {
        if (!state.hangs) into.write(chunk)
      })
    }
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  const address = listener.address()
  const port = address && typeof address === 'object' ? address.port : 0
  return { state, port, address: `127.0.0.1:${port}` }
}

describe.skipIf(!server)('a PostgreSQL server that no longer answers', { timeout: 60_000 }, () => {
  const database = async () => new URL((await server?.newDatabase()) ?? '')

  async function session(port: number, url: URL): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: `postgres://postgres@127.0.0.1:${port}${url.pathname}` })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => void client.end().catch(() => {}))
    return client
  }

  test('costs a statement 5 s, and ends the statements of its other sessions with it', async () => {
    const url = await database()
    const { port, state } = await relay(url)
    const clock = memoryClock()
    const watch = createLivenessWatch(clock)
    const [one, two] = [await session(port, url), await session(port, url)]
    state.hangs = true
    const first = watch(one).guard(one.query('select 1'))
    const failed = expect(first).rejects.toThrow('terminated')
    await clock.advance(4_000)
    const second = watch(two)
    const late = expect(second.guard(two.query('select 1'))).rejects.toThrow('terminated')
    await clock.advance(1_000)
    await Promise.all([failed, late])
    expect(second.gone).toBe(true)
  })

  test('is not taken for one with a slow statement', async () => {
    const url = await database()
    const client = await session(Number(url.port), url)
    const clock = memoryClock()
    const liveness = createLivenessWatch(clock)(client)
    const slow = liveness.guard(client.query(`select 'done' as state from pg_sleep(0.3)`))
    await clock.advance(2_000)
    expect((await slow).rows).toEqual([{ state: 'done' }])
    expect(liveness.gone).toBe(false)
  })

  test('is left for the next host, and new sessions do not try it first', async () => {
    const url = await database()
    const through = await relay(url)
    const clock = memoryClock()
    const hosts = `postgres://postgres@${through.address},${url.host}${url.pathname}`
    const store = await openPostgres({ url: hosts, clock, poolSize: 2 })
    onTestFinished(() => store.close())
    await store.offsets.set('g', 0, 1)
    through.state.hangs = true
    const failed = expect(store.offsets.set('g', 0, 2)).rejects.toMatchObject({
      code: 'store.unreachable',
      intent: 'retry',
    })
    await clock.advance(5_000)
    await failed
    const before = through.state.connections
    await Promise.all([2, 3, 4].map(position => store.offsets.set('g', position, position)))
    expect(await store.offsets.get('g', 4)).toBe(4)
    expect(through.state.connections).toBe(before)
  })

  test('answers a question before any login while it is well', async () => {
    const url = await database()
    const { state, port } = await relay(url)
    const peer = { host: '127.0.0.1', port }
    expect(await answers(peer, 10_000, systemClock())).toBe(true)
    state.hangs = true
    expect(await answers(peer, 50, systemClock())).toBe(false)
    expect(await answers({ ...peer, port: 1 }, 10_000, systemClock())).toBe(false)
  })
})

test('a host that did not answer comes after the others for 30 s', async () => {
  const clock = memoryClock()
  const [a, b] = [
    { place: 'a:5432', url: '' },
    { place: 'b:5432', url: '' },
  ]
  const order = createHostOrder(clock)
  order.silent(a)
  expect(order.sorted([a, b])).toEqual([b, a])
  await clock.advance(30_000)
  expect(order.sorted([a, b])).toEqual([a, b])
})
