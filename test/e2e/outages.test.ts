import { Kafka, logLevel } from 'kafkajs'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { startOwnKafka, unique } from '../helpers/kafka.ts'
import { startOwnPostgres } from '../helpers/postgres.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const postgres = await startOwnPostgres()
const kafka = await startOwnKafka()
afterAll(async () => {
  await kafka?.stop()
  await postgres?.stop()
})

const SECRET = { ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 5).toString('base64') }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let healthy: Awaited<ReturnType<typeof subscriber>>
let programs: Program[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  healthy = await subscriber(0, createRandom(1))
  await configure(folder.path, {
    connections: connectionsTo(sandbox),
    endpoints: [{ id: 'healthy', url: healthy.url }],
    network: { allow: ['127.0.0.0/8'] },
  })
})
afterEach(async () => {
  await Promise.all(programs.map(({ end }) => end('SIGKILL')))
  programs = []
  await Promise.all([sandbox.close(), healthy.close(), folder.remove()])
})

async function start(env: NodeJS.ProcessEnv): Promise<Program> {
  const program = await startProgram(folder.path, env)
  programs.push(program)
  return program
}

/** Orders with all that ever happens to them. */
function liveAll(count: number): string[] {
  const shop = createShop(sandbox, 11)
  for (let i = 0; i < count; i++) shop.open()
  while (shop.move()) {
    // all lives at once
  }
  return shop.facts()
}

const stored = async (program: Program) =>
  ((await program.get('/v1/events?limit=250')).body as { data: unknown[] }).data.length
const ready = async (program: Program) => (await program.get('/readyz')).status

describe.skipIf(!kafka)('without Kafka', () => {
  test('ingest goes on and says so; events are published in order when it is back', async () => {
    await kafka?.kill()
    const program = await start({ KAFKA_BROKERS: kafka?.brokers, KAFKA_TOPIC: unique('away') })
    const facts = liveAll(15)
    await until('the events are stored', async () => (await stored(program)) === facts.length)
    expect(await ready(program)).toBe(503)
    expect(JSON.stringify((await program.get('/readyz')).body)).toMatch(/Kafka/)
    expect(healthy.received).toEqual([])
    await kafka?.start()
    await until('everything has arrived', () => healthy.ids().size === facts.length, 180_000)
    expect(healthy.inversions()).toEqual([])
    await until('it is ready', async () => (await ready(program)) === 200)
    expect(await program.end('SIGTERM')).toBe(0)
  }, 400_000)

  test('a topic that is compacted ends the start with one sentence', async () => {
    const topic = unique('compacted')
    const admin = new Kafka({ brokers: [kafka?.brokers ?? ''], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }] })
    await admin.disconnect()
    const { code, stderr } = await command(folder.path, ['start'], {
      KAFKA_BROKERS: kafka?.brokers,
      KAFKA_TOPIC: topic,
    })
    expect([code, stderr]).toEqual([1, expect.stringMatching(new RegExp(`^orderwire: .*${topic}.*compact[^\\n]*\\n$`))])
  })
})

describe.skipIf(!postgres)('without PostgreSQL', () => {
  test('start waits and says so, and a command fails at once', async () => {
    const nowhere = { ...SECRET, DATABASE_URL: 'postgres://someone:pa55word@127.0.0.1:9/nothing' }
    const { code, stderr } = await command(folder.path, ['events'], nowhere)
    expect([code, stderr]).toEqual([1, expect.stringContaining('127.0.0.1:9')])
    expect(stderr).not.toContain('pa55word')
  })

  test('polls pause while it restarts, and nothing is lost', async () => {
    const program = await start({ ...SECRET, DATABASE_URL: await postgres?.newDatabase() })
    const before = liveAll(8)
    await until('the first are there', () => healthy.ids().size === before.length)
    await postgres?.restart?.()
    const shop = createShop(sandbox, 12)
    for (let i = 0; i < 8; i++) shop.open()
    while (shop.move()) {
      // more lives, of orders that replace the former ones
    }
    const ids = new Set(shop.facts())
    await until('what happened meanwhile arrives', () => healthy.ids().size >= ids.size, 180_000)
    expect(healthy.inversions()).toEqual([])
    expect(await program.end('SIGTERM')).toBe(0)
  }, 400_000)

  test('of two whole processes one works, and the other takes over when the lease of the first has run out', async () => {
    const env = { ...SECRET, DATABASE_URL: await postgres?.newDatabase() }
    const first = await start({ ...env, ORDERWIRE_DATA: `${folder.path}/one` })
    const facts = liveAll(6)
    await until('the first works', () => healthy.ids().size === facts.length)
    const second = await start({ ...env, ORDERWIRE_DATA: `${folder.path}/two` })
    expect(await stored(second)).toBe(facts.length)
    await first.end('SIGKILL')
    programs = [second]
    const more = createShop(sandbox, 13)
    for (let i = 0; i < 40; i++) more.open()
    while (more.move()) {
      // orders that only the second can have seen to their end
    }
    await until('the second delivers', () => healthy.ids().size >= more.facts().length, 180_000)
    expect(healthy.inversions()).toEqual([])
  }, 400_000)
})
