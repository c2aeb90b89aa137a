import { afterAll, describe, expect, test } from 'vitest'
import { startOwnKafka } from '../helpers/kafka.ts'
import { startOwnPostgres } from '../helpers/postgres.ts'
import { torture } from '../torture/cluster.ts'

/** A bounded form of `npm run torture`. */

const postgres = await startOwnPostgres()
const kafka = await startOwnKafka()

afterAll(async () => {
  await kafka?.stop()
  await postgres?.stop()
})

describe.skipIf(!postgres || !kafka)('a cluster on a real Kafka and a real PostgreSQL', () => {
  test('loses, invents and turns around nothing while processes, broker and database die', async () => {
    if (!postgres || !kafka) return
    const verdict = await torture({
      kafka,
      postgres,
      seed: 42,
      kills: 3,
      joins: 1,
      pauses: 1,
      brokerAwayMs: 3_000,
      restartPostgres: true,
      patienceMs: 300_000,
      say: () => {},
    })
    expect([verdict.lost, verdict.invented]).toEqual([[], []])
    expect(verdict.subscribers.map(({ missing, inversions }) => ({ missing, inversions }))).toEqual([
      { missing: 0, inversions: [] },
      { missing: 0, inversions: [] },
    ])
    expect(verdict.events).toBeGreaterThan(200)
  }, 900_000)
})
