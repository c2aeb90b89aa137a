import { parseArgs } from 'node:util'
import { startOwnKafka } from '../helpers/kafka.ts'
import { startOwnPostgres, startPostgresAt } from '../helpers/postgres.ts'
import { tightDisk } from '../helpers/tight-disk.ts'
import { until } from '../helpers/until.ts'
import { torture } from './cluster.ts'
import { fullDisk } from './disk.ts'
import { failovers } from './failover-runs.ts'
import { killAgain } from './solo.ts'
import { takeOver } from './takeover.ts'
import { isGood, type Verdict } from './verdict.ts'

/**
 * `npm run torture -- [--only cluster|solo|failover|takeover|disk|database-disk] [--kills 120] [--joins 15] [--pauses 3] [--broker 30] [--rounds 6] [--bounded]
 * [--loss 'broker killed'] [--seed 1]`: real processes on real servers while everything that can die does, and disks that fill up. Ends with a table; exit 1 unless every
 * fact was told, once, in order, by processes that ended only when they were killed.
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    kills: { type: 'string', default: '120' },
    joins: { type: 'string', default: '15' },
    pauses: { type: 'string', default: '3' },
    broker: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '6' },
    bounded: { type: 'boolean', default: false },
    loss: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})
const seed = Number(values.seed)
const began = performance.now()
const say = (text: string) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`)

/** null: not possible on this machine, which has been said. */
type Outcome = (Verdict & { readonly kills: number; readonly deaths: readonly string[]; readonly note: string }) | null

const scenes: Record<string, () => Promise<Outcome>> = {
  async cluster() {
    const [postgres, kafka] = [await startOwnPostgres(), await startOwnKafka()]
    try {
      if (!postgres || !kafka) return null
      const verdict = await torture({
        kafka,
        postgres,
        seed,
        kills: Number(values.kills),
        blackouts: 2,
        joins: Number(values.joins),
        pauses: Number(values.pauses),
        brokerAwayMs: Number(values.broker) * 1000,
        brokerRestarts: 1,
        brokerFreezes: 1,
        restartPostgres: true,
        postgresCrashes: 2,
        patienceMs: 300_000,
        say,
      })
      const byRole = Object.entries(verdict.kills).map(([role, count]) => `${role} ${count}`)
      return {
        ...verdict,
        kills: Object.values(verdict.kills).reduce((sum, count) => sum + count, 0),
        note: `${byRole.join(', ')}; ${verdict.killedStarting} while starting; settled in ${(verdict.settledMs / 1000).toFixed(0)} s`,
      }
    } finally {
      await kafka?.stop()
      await postgres?.stop()
    }
  },

  solo: () => killAgain({ kills: Number(values.kills), seed, patienceMs: 300_000, say }),
  failover: () => failovers({ bounded: values.bounded, only: values.loss, seed, say }),

  async takeover() {
    const postgres = await startOwnPostgres()
    try {
      return postgres && (await takeOver({ postgres, seed, say }))
    } finally {
      await postgres?.stop()
    }
  },

  async disk() {
    const disk = await tightDisk(6)
    if (!disk) return null
    try {
      return await fullDisk({ disk, env: { ORDERWIRE_DATA: `${disk.path}/data` }, ...rounds() })
    } finally {
      await disk.remove()
    }
  },

  async 'database-disk'() {
    const disk = await tightDisk(160)
    const postgres = disk && (await startPostgresAt(disk.path))
    try {
      if (!postgres) return null
      const env = {
        DATABASE_URL: await postgres.newDatabase(),
        ORDERWIRE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      }
      // Where it could not write its log the server ended, and only a person starts it again.
      const afterRoom = async () => {
        const answers = () =>
          postgres.newDatabase().then(
            () => true,
            () => false,
          )
        await until('the server answers', answers, 5_000, 200).catch(() => postgres.crash?.())
      }
      return await fullDisk({ disk, env, afterRoom, ...rounds() })
    } finally {
      await postgres?.stop()
      await disk?.remove()
    }
  },
}

function rounds() {
  return { seed, rounds: Number(values.rounds), say }
}

console.log(`seed ${seed}`)
const rows: Record<string, Record<string, string | number>> = {}
let good = true
for (const [name, run] of Object.entries(scenes)) {
  if (values.only !== undefined && values.only !== name) continue
  say(`── ${name}`)
  const outcome = await run()
  if (!outcome) {
    rows[name] = { note: 'skipped: not possible on this machine' }
    continue
  }
  const { subscribers, deaths, kills, note } = outcome
  const sum = (of: (one: Verdict['subscribers'][number]) => number) => subscribers.reduce((n, one) => n + of(one), 0)
  rows[name] = {
    kills,
    orders: outcome.orders,
    events: outcome.events,
    deliveries: sum(one => one.deliveries),
    repeats: sum(one => one.repeats),
    lost: outcome.lost.length + sum(one => one.missing),
    invented: outcome.invented.length + outcome.doubled.length,
    inversions: sum(one => one.inversions.length),
    deaths: deaths.length,
    note,
  }
  if (isGood(outcome) && deaths.length === 0) continue
  good = false
  console.log(JSON.stringify(outcome, null, 2))
}
console.table(rows)
console.log(good ? 'nothing lost, nothing invented, nothing out of order' : 'NOT GOOD')
process.exit(good ? 0 : 1)
