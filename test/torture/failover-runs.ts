import { type KafkaCluster, startKafkaCluster } from '../helpers/kafka/cluster.ts'
import { startPostgresPair } from '../helpers/postgres-pair.ts'
import { EVERY_BROKER, type Failover, failover, type Loss } from './failover.ts'

interface Run {
  /** Whether the standby has every commit before it is acknowledged. */
  readonly synchronous: boolean
  readonly losses: readonly Loss[]
}

const BOUNDED: readonly Run[] = [{ synchronous: true, losses: ['broker killed', 'primary killed'] }]
const ALL: readonly Run[] = [
  { synchronous: true, losses: [...EVERY_BROKER, 'primary killed'] },
  { synchronous: true, losses: ['primary frozen'] },
  { synchronous: false, losses: ['primary killed, standby behind'] },
]

/** Every loss of one machine, or `bounded`: one broker and one primary. `only`: one loss by its name. null: not possible on this machine. */
export async function failovers(options: {
  bounded: boolean
  only?: string | undefined
  seed: number
  say: (text: string) => void
}): Promise<Failover | null> {
  const { bounded, only, seed, say } = options
  const kafka = await startKafkaCluster()
  if (!kafka) return null
  say('three brokers have started')
  try {
    const results: Failover[] = []
    for (const run of bounded ? BOUNDED : ALL.map(one => narrowed(one, only))) {
      if (run.losses.length === 0) continue
      const result = await oneRun(kafka, run, { seed: seed + results.length, say })
      if (!result) return null
      results.push(result)
    }
    console.table(results.flatMap(({ silences }) => silences))
    return joined(results)
  } finally {
    await kafka.stop()
  }
}

const narrowed = (run: Run, only: string | undefined): Run =>
  only === undefined ? run : { ...run, losses: run.losses.filter(loss => loss === only) }

async function oneRun(
  kafka: KafkaCluster,
  { synchronous, losses }: Run,
  rest: { seed: number; say: (text: string) => void },
): Promise<Failover | null> {
  const postgres = await startPostgresPair({ synchronous })
  try {
    return postgres && (await failover({ kafka, postgres, losses, patienceMs: 180_000, ...rest }))
  } finally {
    await postgres?.stop()
  }
}

const joined = (results: readonly Failover[]): Failover => ({
  lost: results.flatMap(({ lost }) => lost),
  invented: results.flatMap(({ invented }) => invented),
  doubled: results.flatMap(({ doubled }) => doubled),
  subscribers: results.flatMap(({ subscribers }) => subscribers),
  events: results.reduce((sum, { events }) => sum + events, 0),
  orders: results.reduce((sum, { orders }) => sum + orders, 0),
  kills: results.reduce((sum, { kills }) => sum + kills, 0),
  deaths: results.flatMap(({ deaths }) => deaths),
  silences: results.flatMap(({ silences }) => silences),
  note: results.map(({ note }) => note).join('; '),
})
