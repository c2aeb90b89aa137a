import { parseArgs } from 'node:util'
import { startOwnKafka } from '../helpers/kafka.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { torture } from './cluster.ts'

/** `npm run torture -- [--kills 30] [--joins 20] [--pauses 2] [--broker 60] [--seed 1]`: ends with a verdict, exit 1 if anything was lost. */

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    joins: { type: 'string', default: '20' },
    pauses: { type: 'string', default: '2' },
    broker: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})

const postgres = await startPostgres()
const kafka = await startOwnKafka()
if (!postgres || !kafka) throw new Error('no PostgreSQL or no Kafka on this machine')
const began = Date.now()
console.log(`seed ${values.seed}`)
const verdict = await torture({
  kafka,
  postgres,
  seed: Number(values.seed),
  kills: Number(values.kills),
  joins: Number(values.joins),
  pauses: Number(values.pauses),
  brokerAwayMs: Number(values.broker) * 1000,
  restartPostgres: true,
  patienceMs: 300_000,
  say: text => console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`),
})
await kafka.stop()
await postgres.stop()
console.log(JSON.stringify(verdict, null, 2))
const good =
  verdict.lost.length + verdict.invented.length === 0 &&
  verdict.subscribers.every(({ missing, inversions }) => missing + inversions.length === 0)
console.log(good ? 'nothing lost, nothing invented, nothing out of order' : 'NOT GOOD')
process.exit(good ? 0 : 1)
