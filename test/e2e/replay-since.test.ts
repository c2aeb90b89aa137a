import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OrderEvent } from '../../schemas/order-event.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { history } from '../helpers/history.ts'
import { startKafka, unique } from '../helpers/kafka.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { createReceiver, type Receiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** New endpoints in a cluster of processes with one role each, while the shops go on selling. */

const [postgres, kafka] = await Promise.all([startPostgres(), startKafka()])

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let programs: Program[] = []
const receivers: Receiver[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
})

afterAll(async () => {
  await Promise.all(programs.map(program => program.end('SIGKILL')))
  await Promise.all([sandbox.close(), folder.remove(), ...receivers.map(receiver => receiver.close())])
  await kafka?.stop()
  await postgres?.stop()
})

interface Came {
  readonly event: OrderEvent
  readonly replayed: boolean
}

/** A subscriber that refuses one request in ten, and what it acknowledged, each event once. */
async function subscriber(): Promise<{ url: string; came: Came[] }> {
  const receiver = await createReceiver()
  receivers.push(receiver)
  const came: Came[] = []
  const ids = new Set<string>()
  let requests = 0
  receiver.otherwise = (response, { body, headers }) => {
    const fails = ++requests % 10 === 0
    response.writeHead(fails ? 500 : 204).end()
    const event = OrderEvent.parse(JSON.parse(body))
    if (fails || ids.has(event.id)) return
    ids.add(event.id)
    came.push({ event, replayed: headers['orderwire-replay'] === 'true' })
  }
  return { url: receiver.url, came }
}

/** Sequences of each order in the order they came. */
function sequences(came: readonly Came[]): ReadonlyMap<string, number[]> {
  const orders = new Map<string, number[]>()
  for (const { event } of came) {
    const list = orders.get(event.partitionkey) ?? []
    orders.set(event.partitionkey, list)
    list.push(event.data.sequence)
  }
  return orders
}

const EVERY = 200

/** Events in the log that a dispatcher has not settled; null while it reads nothing. */
async function lag({ url }: Program): Promise<number | null> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const values = [...text.matchAll(/^orderwire_consumer_lag\{\S+ (\d+)$/gm)].map(([, value]) => Number(value))
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0)
}

async function create(api: Program, endpoint: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${api.url}/v1/endpoints`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(endpoint),
  })
  expect(response.status).toBe(201)
}

describe.skipIf(!postgres || !kafka)('an endpoint made while a cluster works', () => {
  test('with `replaySince` gets all of the past and then the present, each order in sequence; without, all that happens from then on', async () => {
    if (!postgres || !kafka) return
    const shop = createShop(sandbox, 7)
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      network: { allow: ['127.0.0.0/8'] },
      delivery: { retries: Array.from({ length: 50 }, () => '50ms') },
    })
    const env = {
      DATABASE_URL: await postgres.newDatabase(),
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: unique('replay-since'),
      KAFKA_GROUP: unique('replay-since'),
      ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    }
    const roles = ['ingest', 'dispatch', 'dispatch', 'api']
    programs = await Promise.all(
      roles.map((role, index) =>
        startProgram(folder.path, { ...env, ORDERWIRE_DATA: `${folder.path}/data-${index}` }, ['--roles', role]),
      ),
    )
    const api = programs.at(-1)
    if (!api) throw new Error('there is an API')
    for (let n = 0; n < 100; n++) shop.open()
    for (let n = 0; n < 120; n++) shop.move()
    await until(
      'the past is in the history',
      async () => (await history(api)).length === shop.facts().length,
      20_000,
      EVERY,
    )
    const before = await history(api)
    const past = before.length
    const dispatchers = programs.filter((_, index) => roles[index] === 'dispatch')
    await until('both dispatchers have left the past behind', async () =>
      (await Promise.all(dispatchers.map(lag))).every(behind => behind === 0),
    )
    expect(past).toBeGreaterThan(50)

    const [old, fresh] = [await subscriber(), await subscriber()]
    const living = setInterval(() => {
      for (let n = 0; n < 3; n++) shop.move()
    }, 20)
    try {
      await create(api, { id: 'old', url: old.url, replaySince: '2020-01-01' })
      await until('the shops have gone on', async () => (await history(api)).length > past + 10, 20_000, EVERY)
      await create(api, { id: 'fresh', url: fresh.url })
      const existed = (await history(api)).length
      await until('the endpoint is shown without a past', async () => {
        const { body } = await api.get('/v1/endpoints/old')
        return (body as { replaySince: unknown }).replaySince === null
      })
      const seam = old.came.length
      await until('it goes on with the present', () => old.came.length > Math.max(seam, past) + 30)
      clearInterval(living)
      while (shop.move()) {
        // every order lives its life to the end
      }
      await until('all is told', async () => (await history(api)).length === shop.facts().length, 20_000, EVERY)
      const events = await history(api)
      await until('the first has everything', () => old.came.length === events.length)
      for (const [order, list] of sequences(old.came))
        expect([order, ...list]).toEqual([order, ...list.map((_, index) => index + 1)])
      const replays = old.came.filter(({ replayed }) => replayed)
      expect(replays.length).toBeGreaterThanOrEqual(past)
      expect(replays.length).toBeLessThan(events.length)
      // Of each order, nothing of the past comes after something of the present.
      const present = new Set<string>()
      for (const { event, replayed } of old.came) {
        if (replayed) expect(present).not.toContain(event.partitionkey)
        else present.add(event.partitionkey)
      }

      // What no dispatcher had read when the second endpoint was made may or may not be its.
      const wanted = events.slice(existed).map(({ id }) => id)
      const got = () => new Set(fresh.came.map(({ event }) => event.id))
      await until('the second has all that happened since', () => wanted.every(id => got().has(id)), 20_000, EVERY)
      expect(before.filter(({ id }) => got().has(id))).toEqual([])
      expect(fresh.came.filter(({ replayed }) => replayed)).toEqual([])
      for (const [order, [first = 0, ...rest]] of sequences(fresh.came))
        expect([order, ...rest]).toEqual([order, ...rest.map((_, index) => first + 1 + index)])
    } finally {
      clearInterval(living)
    }
  })
})
