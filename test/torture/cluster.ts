import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom, type Random } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import type { OwnKafka } from '../helpers/kafka.ts'
import type { PostgresServer } from '../helpers/postgres.ts'
import { configure } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'
import { createFleet } from './fleet.ts'
import { judge, type Verdict } from './verdict.ts'

export interface Torture {
  readonly kafka: OwnKafka
  readonly postgres: PostgresServer
  readonly seed: number
  /** Processes ended by SIGKILL at a random moment, and started again. */
  readonly kills: number
  /** Moments at which all of them are. */
  readonly blackouts?: number
  /** Dispatchers that join and leave cleanly, besides. */
  readonly joins: number
  /** Processes held by SIGSTOP beyond their lease, and continued. */
  readonly pauses: number
  /** How long the broker is away, milliseconds; 0: it stays. */
  readonly brokerAwayMs: number
  /** Brokers killed and started at once. */
  readonly brokerRestarts?: number
  /** Brokers that answer nothing for a while, their connections open. */
  readonly brokerFreezes?: number
  readonly restartPostgres: boolean
  /** PostgreSQL servers ended by SIGKILL, which recover from their log. */
  readonly postgresCrashes?: number
  /** How long settling may take at the end, milliseconds. */
  readonly patienceMs: number
  readonly say: (text: string) => void
}

export interface ClusterVerdict extends Verdict {
  readonly kills: Readonly<Record<string, number>>
  readonly killedStarting: number
  /** Processes that ended without being told to. */
  readonly deaths: readonly string[]
  /** How long it took after the last act until everything was told. */
  readonly settledMs: number
}

/** Longer than a lease. */
const PAUSE_MS = 17_000
const FREEZE_MS = 8_000
/** Kills that may hit any role, and then as many that spare the dispatchers. */
const IN_A_ROW = 8
const ROLES = ['ingest', 'ingest', 'dispatch', 'dispatch', 'dispatch', 'api']

/** 2 ingest, 3 dispatch and 1 API process on a real Kafka and a real PostgreSQL, under load, while everything that can die does. */
export async function torture(options: Torture): Promise<ClusterVerdict> {
  const { kafka, postgres, say } = options
  const random = createRandom(options.seed)
  const folder = await temporaryFolder()
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const subscribers = [await subscriber(0, random), await subscriber(0.1, random)]
  const shop = createShop(sandbox, options.seed)
  await configure(folder.path, {
    connections: (connectionsTo(sandbox) ?? []).map(connection => ({ ...connection, overlap: '1m' })),
    endpoints: subscribers.map(({ url }, index) => ({ id: `s${index + 1}`, url })),
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: Array.from({ length: 50 }, () => '100ms') },
  })
  const fleet = createFleet({
    roles: ROLES,
    random,
    folder: folder.path,
    env: {
      DATABASE_URL: await postgres.newDatabase(),
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: `torture-${options.seed}-${Date.now()}`,
      ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    },
  })
  const done = new Map<Act, number>()

  const perform: Record<Act, () => Promise<unknown> | unknown> = {
    // A consumer group needs seconds to notice a death; now and then the dispatchers get them, so that the next kill finds them at work.
    kill: () => fleet.kill(Math.floor((done.get('kill') ?? 0) / IN_A_ROW) % 2 === 0 ? [] : ['dispatch']),
    blackout: () => fleet.blackout(),
    join: () => fleet.join(random.between(500, 3_000)),
    pause: () => fleet.pause(PAUSE_MS),
    'broker away': async () => {
      await kafka.kill()
      await sleep(options.brokerAwayMs)
      await kafka.start()
    },
    'broker restart': async () => {
      await kafka.kill()
      await kafka.start()
    },
    'broker freeze': async () => {
      await kafka.freeze()
      await sleep(FREEZE_MS)
      await kafka.thaw()
    },
    'database restart': () => postgres.restart?.(),
    'database crash': () => postgres.crash?.(),
  }

  const living = setInterval(() => {
    if (random.chance(0.15)) shop.open()
    for (let i = 0; i < 2; i++) shop.move()
  }, 20)
  try {
    await fleet.api()
    for (const act of plan(random, options)) {
      await sleep(random.between(100, 1_500))
      if (act !== 'kill' && act !== 'join') say(act)
      await perform[act]()
      done.set(act, (done.get(act) ?? 0) + 1)
      const sum = (done.get('kill') ?? 0) + (done.get('join') ?? 0)
      if ((act === 'kill' || act === 'join') && sum % 10 === 0)
        say(
          `${done.get('kill') ?? 0} of ${options.kills} kills, ${done.get('join') ?? 0} of ${options.joins} joins; ` +
            `${shop.facts().length} facts, ${subscribers.map(one => one.ids().size).join(' and ')} told`,
        )
    }
    clearInterval(living)
    while (shop.move()) {
      // every order lives its life to the end
    }
    const facts = shop.facts()
    say(`${facts.length} facts to be told; waiting until they are`)
    const began = performance.now()
    const api = await fleet.api()
    const complete = () => subscribers.every(one => one.ids().size >= facts.length)
    await until('everything is told', complete, options.patienceMs, 500).catch(error => say(error.message))
    const settledMs = performance.now() - began
    const verdict = await judge({ facts, api, subscribers })
    const { kills, killedStarting, deaths } = fleet
    return { ...verdict, kills, killedStarting, deaths, settledMs }
  } finally {
    clearInterval(living)
    await fleet.close()
    await Promise.all([...subscribers.map(one => one.close()), sandbox.close()])
    await folder.remove()
  }
}

type Act =
  | 'kill'
  | 'blackout'
  | 'join'
  | 'pause'
  | 'broker away'
  | 'broker restart'
  | 'broker freeze'
  | 'database restart'
  | 'database crash'

/** All acts in a random order; the outages in the midst of the others. */
function plan(random: Random, options: Torture): Act[] {
  const times = (count: number, act: Act): Act[] => Array.from({ length: count }, () => act)
  const acts = [...times(options.kills, 'kill'), ...times(options.joins, 'join'), ...times(options.pauses, 'pause')]
  for (let i = acts.length - 1; i > 0; i--) {
    const j = random.between(0, i)
    const [a, b] = [acts[i], acts[j]]
    if (a && b) [acts[i], acts[j]] = [b, a]
  }
  const outages = [
    ...times(options.brokerAwayMs > 0 ? 1 : 0, 'broker away'),
    ...times(options.restartPostgres ? 1 : 0, 'database restart'),
    ...times(options.brokerRestarts ?? 0, 'broker restart'),
    ...times(options.postgresCrashes ?? 0, 'database crash'),
    ...times(options.brokerFreezes ?? 0, 'broker freeze'),
    ...times(options.blackouts ?? 0, 'blackout'),
  ]
  for (const [index, act] of outages.entries())
    acts.splice(Math.ceil(((index + 1) * acts.length) / (outages.length + 1)), 0, act)
  return acts
}
