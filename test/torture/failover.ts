import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import type { KafkaCluster } from '../helpers/kafka/cluster.ts'
import type { PostgresPair } from '../helpers/postgres-pair.ts'
import { configure, type Program } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'
import { createFleet } from './fleet.ts'
import { createWitness, type Silence } from './silence.ts'
import { judge, missed, renumbered, type Verdict } from './verdict.ts'

const ROLES = ['ingest', 'ingest', 'dispatch', 'dispatch', 'api']
const PARTITIONS = 12
/** What is measured before the first loss, to compare. */
const QUIET_MS = 5_000
/** Longer than the session of a broker with its controller. */
const BROKER_AWAY_MS = 14_000
/** Whoever watches the primary needs as long to find it dead and promote the standby. */
const PROMOTED_AFTER_MS = 2_000
/** How far an asynchronous standby is behind when its primary dies. */
const BEHIND_MS = 2_000
/** A replay begins this long before the moment that the standby stopped at. */
const REPLAY_MARGIN_MS = 30_000
/** After everything works again, so that the figures of two losses do not mix. */
const RECOVER_MS = 5_000

export type Loss =
  | 'broker killed'
  | 'broker restarted'
  | 'broker frozen'
  | 'primary killed'
  | 'primary frozen'
  | 'primary killed, standby behind'

/** Each broker is lost in turn, in each way: each is leader of a third, and one is the controller and one the coordinator. */
export const EVERY_BROKER: readonly Loss[] = (['broker killed', 'broker restarted', 'broker frozen'] as const).flatMap(
  loss => [loss, loss, loss],
)

export interface Failover extends Verdict {
  readonly kills: number
  readonly deaths: readonly string[]
  readonly silences: readonly (Silence & { readonly loss: string })[]
  readonly note: string
}

/**
 * 2 ingest, 2 dispatch and 1 API process under load on three brokers and a PostgreSQL primary with a standby, while machines are lost.
 * Measures how long nothing happened after each loss.
 */
export async function failover(options: {
  kafka: KafkaCluster
  postgres: PostgresPair
  losses: readonly Loss[]
  seed: number
  /** How long settling may take at the end, milliseconds. */
  patienceMs: number
  say: (text: string) => void
}): Promise<Failover> {
  const { kafka, postgres, losses, seed, say } = options
  const random = createRandom(seed)
  const folder = await temporaryFolder()
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const subscribers = [await subscriber(0, random), await subscriber(0.1, random)]
  const shop = createShop(sandbox, seed)
  await configure(folder.path, {
    connections: (connectionsTo(sandbox) ?? []).map(connection => ({
      ...connection,
      pollEvery: '500ms',
      overlap: '1m',
    })),
    endpoints: subscribers.map(({ url }, index) => ({ id: `s${index + 1}`, url })),
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: Array.from({ length: 50 }, () => '100ms') },
  })
  const [database, topic] = [await postgres.newDatabase(), `failover-${seed}-${Date.now()}`]
  const fleet = createFleet({
    roles: ROLES,
    random,
    folder: folder.path,
    env: {
      DATABASE_URL: database,
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: topic,
      KAFKA_PARTITIONS: String(PARTITIONS),
      KAFKA_REPLICATION: '3',
      ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    },
  })
  const stored = async () =>
    (await postgres.query<{ count: number }>(database, 'select count(*)::int from events'))[0]?.count ?? 0
  const witness = createWitness({
    sandbox,
    subscribers,
    partitions: PARTITIONS,
    stored,
  })

  async function brokerLost(away: (node: KafkaCluster['nodes'][number]) => Promise<void>, turn: number) {
    const node = kafka.nodes[turn % kafka.nodes.length]
    if (node) await away(node)
    await kafka.inSync([topic, '__consumer_offsets'])
  }

  async function primaryLost(lose: () => Promise<void>): Promise<void> {
    await lose()
    await sleep(PROMOTED_AFTER_MS)
    await postgres.promote()
  }

  let wentBackTo: number | null = null
  const perform: Record<Loss, (turn: number) => Promise<void>> = {
    'broker killed': turn =>
      brokerLost(async node => {
        await node.kill()
        await sleep(BROKER_AWAY_MS)
        await node.start()
      }, turn),
    'broker restarted': turn =>
      brokerLost(async node => {
        await node.kill('SIGTERM')
        await node.start()
      }, turn),
    'broker frozen': turn =>
      brokerLost(async node => {
        node.freeze()
        await sleep(BROKER_AWAY_MS)
        node.thaw()
      }, turn),
    'primary killed': () => primaryLost(postgres.killPrimary),
    'primary frozen': () => primaryLost(postgres.freezePrimary),
    'primary killed, standby behind': async () => {
      await postgres.cutStandby()
      wentBackTo = Date.now()
      await sleep(BEHIND_MS)
      await primaryLost(postgres.killPrimary)
    },
  }

  /** What waited for a destination may have been lost with the standby's last seconds: a person replays them, as the documentation says. */
  async function replayLost(api: Program): Promise<void> {
    if (wentBackTo === null) return
    const since = new Date(wentBackTo - REPLAY_MARGIN_MS).toISOString()
    const missing = await missed(api, subscribers)
    say(`the lost seconds are replayed: ${missing.join(' and ')} events had not arrived`)
    for (const [index] of subscribers.entries()) {
      const answer = await fetch(`${api.url}/v1/destinations/s${index + 1}/replay`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ since }),
      })
      if (answer.status !== 202) throw new Error(`a replay was refused: ${await answer.text()}`)
    }
  }

  const told = () => subscribers.map(one => one.ids().size)
  const silences: Failover['silences'][number][] = []
  let from = 0
  const note = (loss: string) => {
    const silence = witness.between(from, performance.now())
    silences.push({ loss, ...silence })
    const { poll, event, delivery, partition, repeats } = silence
    say(
      `${loss}: nothing polled for ${poll} s, stored for ${event} s, delivered for ${delivery} s ` +
        `(${partition} s in a partition), ${repeats} repeats`,
    )
    from = performance.now()
  }

  const living = setInterval(() => {
    if (random.chance(0.4)) shop.open()
    for (let i = 0; i < 3; i++) shop.move()
  }, 40)
  try {
    await fleet.api()
    say('all processes have started')
    await kafka.inSync([topic])
    await until('deliveries are under way', () => told().every(count => count > 100))
    await sleep(RECOVER_MS)
    from = performance.now()
    await sleep(QUIET_MS)
    note('nothing lost')
    for (const [turn, loss] of losses.entries()) {
      say(loss)
      await perform[loss](turn)
      const before = told()
      await until('it delivers again', () => told().every((count, index) => count > (before[index] ?? 0)), 120_000)
      await sleep(RECOVER_MS)
      note(loss)
    }
    clearInterval(living)
    while (shop.move()) {
      // every order lives its life to the end
    }
    const facts = shop.facts()
    say(`${facts.length} facts to be told; waiting until they are`)
    const api = await fleet.api()
    await until('the API answers', async () => (await api.get('/v1/events?limit=1')).status === 200)
    await until('everything is stored', async () => (await stored()) >= facts.length, options.patienceMs, 500).catch(
      error => say(error.message),
    )
    await replayLost(api)
    const complete = () => told().every(count => count >= facts.length)
    await until('everything is told', complete, options.patienceMs, 500).catch(error => say(error.message))
    const verdict = await judge({ facts, api, subscribers })
    const outcome = { silences, kills: losses.length, deaths: fleet.deaths }
    if (wentBackTo === null) return { ...verdict, ...outcome, note: losses.join(', ') }
    // Of the last seconds that the standby never had, facts may be told again in another order.
    const again = renumbered(subscribers)
    const isOther = (inversion: string) => !again.has(inversion.slice(0, inversion.indexOf(' ')))
    const others = verdict.subscribers.map(one => ({ ...one, inversions: one.inversions.filter(isOther) }))
    return {
      ...verdict,
      subscribers: others,
      ...outcome,
      note: `${losses.join(', ')}; ${again.size} orders renumbered`,
    }
  } finally {
    clearInterval(living)
    witness.close()
    await fleet.close()
    await Promise.all([...subscribers.map(one => one.close()), sandbox.close()])
    await folder.remove()
  }
}
