import { OrderEvent } from '../../schemas/order-event.ts'
import { systemClock } from '../../src/clock.ts'
import { createRandom, type Random } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { factOf } from '../helpers/fact-of.ts'
import type { OwnKafka } from '../helpers/kafka.ts'
import type { PostgresServer } from '../helpers/postgres.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

export interface Torture {
  readonly kafka: OwnKafka
  readonly postgres: PostgresServer
  readonly seed: number
  /** Processes ended by SIGKILL at a random moment, and started again. */
  readonly kills: number
  /** Dispatchers that join and leave cleanly, besides. */
  readonly joins: number
  /** Processes held by SIGSTOP beyond their lease, and continued. */
  readonly pauses: number
  /** How long the broker is away, milliseconds; 0: it stays. */
  readonly brokerAwayMs: number
  readonly restartPostgres: boolean
  /** How long settling may take at the end, milliseconds. */
  readonly patienceMs: number
  readonly say: (text: string) => void
}

export interface Verdict {
  /** Facts that truly happened and were not said, or were said and did not happen. */
  readonly lost: readonly string[]
  readonly invented: readonly string[]
  readonly events: number
  readonly orders: number
  readonly subscribers: readonly {
    missing: number
    inversions: readonly string[]
    deliveries: number
    repeats: number
  }[]
}

/** Longer than a lease. */
const PAUSE_MS = 17_000

/** 2 ingest, 3 dispatch and 1 API process on a real Kafka and a real PostgreSQL, under load, while everything that can die does. */
export async function torture(options: Torture): Promise<Verdict> {
  const { kafka, postgres, kills, joins, pauses, say } = options
  const random = createRandom(options.seed)
  const folder = await temporaryFolder()
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const subscribers = [await subscriber(0, random), await subscriber(0.1, random)]
  const shop = createShop(sandbox, options.seed)
  await configure(folder.path, {
    connections: connectionsTo(sandbox),
    endpoints: subscribers.map(({ url }, index) => ({ id: `s${index + 1}`, url })),
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: Array.from({ length: 50 }, () => '100ms') },
  })
  const env = {
    DATABASE_URL: await postgres.newDatabase(),
    KAFKA_BROKERS: kafka.brokers,
    KAFKA_TOPIC: `torture-${options.seed}-${Date.now()}`,
    ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  }
  const done: Record<string, number> = {}
  let started = 0
  const start = (role: string): Promise<Program> =>
    startProgram(folder.path, { ...env, ORDERWIRE_DATA: `${folder.path}/data-${++started}` }, ['--roles', role])

  const living = setInterval(() => {
    if (random.chance(0.15)) shop.open()
    for (let i = 0; i < 2; i++) shop.move()
  }, 20)
  const roles = ['ingest', 'ingest', 'dispatch', 'dispatch', 'dispatch', 'api']
  const programs = await Promise.all(roles.map(start))
  try {
    for (const act of plan(random, options)) {
      await pause(random.between(100, 1_500))
      const index = random.between(0, roles.length - 2)
      const program = programs[index]
      const role = roles[index] ?? 'ingest'
      if (act === 'kill') {
        await program?.end('SIGKILL')
        programs[index] = await start(role)
      } else if (act === 'join') {
        const joined = await start('dispatch')
        await pause(random.between(500, 4_000))
        await joined.end('SIGTERM')
      } else if (act === 'pause') {
        program?.child.kill('SIGSTOP')
        await pause(PAUSE_MS)
        program?.child.kill('SIGCONT')
      } else if (act === 'broker') {
        say(`the broker is away for ${options.brokerAwayMs / 1000} s`)
        await kafka.kill()
        await pause(options.brokerAwayMs)
        await kafka.start()
      } else {
        say('PostgreSQL restarts')
        await postgres.restart?.()
      }
      if (act === 'kill' || act === 'join') progress(act)
    }
  } finally {
    clearInterval(living)
  }
  while (shop.move()) {
    // every order lives its life to the end
  }

  const api = programs.at(-1)
  try {
    const facts = shop.facts()
    say(`${facts.length} facts to be told; waiting until they are`)
    let events: OrderEvent[] = []
    const complete = async () => {
      events = api ? await history(api).catch(() => events) : []
      return events.length >= facts.length && subscribers.every(one => one.ids().size >= events.length)
    }
    await until('everything is told', complete, options.patienceMs, 500).catch(error => say(error.message))
    const said = new Set(events.map(factOf))
    const truth = new Set(facts)
    return {
      lost: facts.filter(fact => !said.has(fact)),
      invented: [...said].filter(fact => !truth.has(fact)),
      events: events.length,
      orders: new Set(events.map(({ partitionkey }) => partitionkey)).size,
      subscribers: subscribers.map(one => ({
        missing: events.filter(({ id }) => !one.ids().has(id)).length,
        inversions: one.inversions(),
        deliveries: one.received.length,
        repeats: one.received.length - one.ids().size,
      })),
    }
  } finally {
    await Promise.all(programs.map(program => program.end('SIGKILL')))
    await Promise.all([...subscribers.map(one => one.close()), sandbox.close()])
    await folder.remove()
  }

  function progress(act: string): void {
    done[act] = (done[act] ?? 0) + 1
    const sum = (done.kill ?? 0) + (done.join ?? 0)
    if (sum % 10 === 0)
      say(
        `${done.kill ?? 0} of ${kills} kills, ${done.join ?? 0} of ${joins} joins, ${pauses} pauses; ${shop.facts().length} facts so far`,
      )
  }
}

type Act = 'kill' | 'join' | 'pause' | 'broker' | 'postgres'

/** All acts in a random order; the outages in the middle of them. */
function plan(random: Random, { kills, joins, pauses, brokerAwayMs, restartPostgres }: Torture): Act[] {
  const times = (count: number, act: Act): Act[] => Array.from({ length: count }, () => act)
  const acts = [...times(kills, 'kill'), ...times(joins, 'join'), ...times(pauses, 'pause')]
  for (let i = acts.length - 1; i > 0; i--) {
    const j = random.between(0, i)
    const [a, b] = [acts[i], acts[j]]
    if (a && b) [acts[i], acts[j]] = [b, a]
  }
  if (brokerAwayMs > 0) acts.splice(Math.floor(acts.length / 3), 0, 'broker')
  if (restartPostgres) acts.splice(Math.floor((2 * acts.length) / 3), 0, 'postgres')
  return acts
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

async function history(api: Program): Promise<OrderEvent[]> {
  const events: OrderEvent[] = []
  for (let after = ''; ; ) {
    const { body } = await api.get(`/v1/events?limit=250${after && `&after=${after}`}`)
    const page = body as { data: unknown[]; next: string | null }
    events.push(...page.data.map(event => OrderEvent.parse(event)))
    if (page.next === null) return events
    after = page.next
  }
}
