import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { bareClient, endOffsets } from '../helpers/kafka/client.ts'
import { startKafka, unique } from '../helpers/kafka.ts'
import { command, configure, startProgram } from '../helpers/program.ts'
import { createShop, withSubscribers } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

const PATIENCE_MS = 60_000

describe.skipIf(!kafka)('a Kafka topic that is deleted and made again', () => {
  test('while the program runs and while it does not: what is new reaches everybody, and `republish` puts the rest back', async () => {
    if (!kafka) return
    const folder = await temporaryFolder()
    const random = createRandom(11)
    const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    const [steady, shaky] = [await subscriber(0, random), await subscriber(0.2, random)]
    const shop = createShop(sandbox, 7)
    const bare = await bareClient(kafka.brokers)
    const topic = unique('anew')
    const env = {
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: topic,
      KAFKA_GROUP: unique('group'),
      KAFKA_PARTITIONS: '3',
    }
    await configure(folder.path, withSubscribers(sandbox, { steady, shaky }))

    const live = (orders: number) => {
      for (let order = 0; order < orders; order++) shop.open()
      while (shop.move()) {
        // every order lives its life to the end
      }
    }
    const everybodyHasAll = () =>
      until(
        'both subscribers have every fact',
        () => [steady, shaky].every(({ ids }) => ids().size === shop.facts().length),
        PATIENCE_MS,
      )
    const records = async () => (await endOffsets(bare.admin, topic)).reduce((sum, end) => sum + end, 0)
    const warnings = (output: string) =>
      output.split('\n').filter(line => line.includes('"level":40') && line.includes('The event log went back')).length

    const first = await startProgram(folder.path, env)
    live(20)
    await everybodyHasAll()
    await bare.admin.deleteTopics({ topics: [topic] })
    live(20)
    await everybodyHasAll()
    await until('the program says so', () => warnings(first.output()) === 1, PATIENCE_MS)
    const { status, body } = await first.get('/readyz')
    expect([status, JSON.stringify(body)]).toEqual([200, expect.stringContaining('The event log went back')])

    // Through the running server: the log has the whole history again, each order in sequence.
    const through = await command(folder.path, ['republish', '--since', '1d'], env)
    expect([through.code, through.stdout]).toEqual([
      0,
      `${shop.facts().length} events appended to the event log again, each order in sequence\n`,
    ])
    expect(await records()).toBeGreaterThanOrEqual(shop.facts().length)
    expect(warnings(first.output())).toBe(1)
    expect(await first.end('SIGTERM')).toBe(0)

    // While nobody runs; then the command publishes by itself.
    await bare.admin.deleteTopics({ topics: [topic] })
    const alone = await command(folder.path, ['republish', '--since', '1d', '--json'], env)
    expect([alone.code, JSON.parse(alone.stdout)]).toEqual([0, { republished: shop.facts().length }])
    expect(await records()).toBe(shop.facts().length)
    live(10)
    const second = await startProgram(folder.path, env)
    try {
      await everybodyHasAll()
      await until('the program says so', () => warnings(second.output()) === 1, PATIENCE_MS)
      expect([steady.inversions(), shaky.inversions()]).toEqual([[], []])
    } finally {
      expect(await second.end('SIGTERM')).toBe(0)
      await Promise.all([steady.close(), shaky.close(), sandbox.close(), bare.close()])
      await folder.remove()
    }
  }, 300_000)

  test('the embedded log has nothing to put back, and `republish` says why', async () => {
    const folder = await temporaryFolder()
    await configure(folder.path, { connections: [] })
    const { code, stdout } = await command(folder.path, ['republish', '--since', '1d'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^The embedded event log is the event history itself/)])
    const bad = await command(folder.path, ['republish'])
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('--since')])
    await folder.remove()
  })
})
