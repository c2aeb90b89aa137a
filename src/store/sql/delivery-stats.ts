import { sql } from 'kysely'
import type { DeliveryStats } from '../port/deliveries.ts'
import type { Sql } from './sql.ts'

/** Success rate and latencies of the newest attempts of each destination. */
export async function statistics({ db }: Sql, sample: number): Promise<ReadonlyMap<string, DeliveryStats>> {
  // Skip through the index from one destination to the next, instead of reading all attempts.
  const { rows: destinations } = await sql<{ destination: string }>`
    with recursive known (destination) as (
      select min(destination) from attempts
      union all
      select (select min(attempts.destination) from attempts where attempts.destination > known.destination)
      from known where known.destination is not null)
    select destination from known where destination is not null`.execute(db)
  const stats = new Map<string, DeliveryStats>()
  for (const { destination } of destinations) {
    const { rows } = await sql<{ ms: number; outcome: string; at: number; error: string | null }>`
      select ms, outcome, at, error from attempts where destination = ${destination} order by n desc limit ${sample}`.execute(
      db,
    )
    const times = rows.map(row => row.ms).sort((a, b) => a - b)
    const delivered = rows.filter(row => row.outcome === 'delivered').length
    const [newest] = rows
    const latest = rows.findIndex(row => row.outcome === 'delivered')
    stats.set(destination, {
      successRate: rows.length === 0 ? 0 : delivered / rows.length,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      lastError: newest?.outcome === 'delivered' ? null : (newest?.error ?? null),
      failing: newest !== undefined && newest.outcome !== 'delivered',
      failuresInRow: latest < 0 ? rows.length : latest,
      lastSuccessAt: rows[latest]?.at ?? (await lastSuccess({ db }, destination)),
    })
  }
  return stats
}

/** Only for a destination without success among its newest attempts. */
async function lastSuccess({ db }: Pick<Sql, 'db'>, destination: string): Promise<number | null> {
  const { rows } = await sql<{ at: number }>`
    select at from attempts where destination = ${destination} and outcome = 'delivered' order by n desc limit 1`.execute(
    db,
  )
  return rows[0]?.at ?? null
}

/** By nearest rank. */
const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(sorted.length * share) - 1] ?? 0
