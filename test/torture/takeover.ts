import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import type { PostgresServer } from '../helpers/postgres.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'
import { judge, type Verdict } from './verdict.ts'

const ENDS = ['kill', 'freeze', 'stop'] as const
const ORDERS = 400
const ANSWERS_AFTER_MS = 30
/** Positions are written this often, so what was delivered since may be delivered again. */
const WRITTEN_EVERY_MS = 200
/** How late a busy machine may write them. */
const MOST_LATE = 5

type Takeover = Verdict & {
  readonly kills: number
  readonly deaths: readonly string[]
  readonly note: string
}

/**
 * Two processes share a PostgreSQL database, without Kafka. The one that works ends while an endpoint with an answer time of 30 ms gets
 * a thousand events: once killed, once frozen past its lease, once stopped. Counts what the other delivers again.
 */
export async function takeOver(options: {
  postgres: PostgresServer
  seed: number
  say: (text: string) => void
}): Promise<Takeover> {
  const verdicts: Verdict[] = []
  const deaths: string[] = []
  const notes: string[] = []
  for (const [index, end] of ENDS.entries()) {
    const { verdict, open, most } = await oneEnd({ ...options, seed: options.seed + index, end })
    const repeats = verdict.subscribers.reduce((sum, one) => sum + one.repeats, 0)
    const note = `${end}: ${repeats} repeats of ${verdict.events} (${open} in flight or just delivered)`
    options.say(note)
    notes.push(note)
    if (repeats > most) deaths.push(note)
    verdicts.push(verdict)
  }
  return {
    lost: verdicts.flatMap(({ lost }) => lost),
    invented: verdicts.flatMap(({ invented }) => invented),
    doubled: verdicts.flatMap(({ doubled }) => doubled),
    subscribers: verdicts.flatMap(({ subscribers }) => subscribers),
    events: verdicts.reduce((sum, { events }) => sum + events, 0),
    orders: verdicts.reduce((sum, { orders }) => sum + orders, 0),
    kills: ENDS.length,
    deaths,
    note: notes.join('; '),
  }
}

async function oneEnd({
  postgres,
  seed,
  end,
}: {
  postgres: PostgresServer
  seed: number
  end: (typeof ENDS)[number]
}): Promise<{ verdict: Verdict; open: number; most: number }> {
  const folder = await temporaryFolder()
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const slow = await subscriber(0, createRandom(seed), ANSWERS_AFTER_MS)
  const shop = createShop(sandbox, seed)
  for (let order = 0; order < ORDERS; order++) shop.open()
  while (shop.move()) {
    // every order lives its life to the end
  }
  await configure(folder.path, {
    connections: connectionsTo(sandbox),
    endpoints: [{ id: 'slow', url: slow.url }],
    network: { allow: ['127.0.0.0/8'] },
  })
  const env = {
    DATABASE_URL: await postgres.newDatabase(),
    ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  }
  const start = (name: string) => startProgram(folder.path, { ...env, ORDERWIRE_DATA: `${folder.path}/${name}` })
  const programs: Program[] = []
  try {
    const first = await start('first')
    programs.push(first)
    await until('the first delivers', () => slow.received.length > 0, 60_000)
    const second = await start('second')
    programs.push(second)
    const facts = shop.facts()
    await until('half of it is delivered', () => slow.received.length > facts.length / 2, 120_000, 5)
    if (end === 'kill') first.child.kill('SIGKILL')
    if (end === 'freeze') first.child.kill('SIGSTOP')
    if (end === 'stop') first.child.kill('SIGTERM')
    const open = slow.inFlight() + slow.receivedWithin(WRITTEN_EVERY_MS)
    const most = slow.inFlight() + slow.receivedWithin(WRITTEN_EVERY_MS * MOST_LATE)
    const passed = slow.received.length + slow.inFlight()
    await until('the second takes over', () => slow.received.length > passed + 20, 60_000)
    if (end === 'freeze') first.child.kill('SIGCONT')
    await until('everything is told', () => slow.ids().size >= facts.length, 120_000)
    return { verdict: await judge({ facts, api: second, subscribers: [slow] }), open, most }
  } finally {
    for (const program of programs) program.child.kill('SIGCONT')
    await Promise.all(programs.map(program => program.end('SIGKILL')))
    await Promise.all([slow.close(), sandbox.close()])
    await folder.remove()
  }
}
