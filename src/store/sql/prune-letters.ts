import { sql } from 'kysely'
import type { PruneBounds } from '../port/retention.ts'
import { pause } from './pause.ts'
import type { Sql } from './sql.ts'

const CHUNK = 500

/** Deletes dead letters past their time, in the order they were made, and counts them for good. Returns how many, by destination. */
export async function expireLetters(
  { dialect, transaction }: Sql,
  before: PruneBounds,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const expired = new Map<string, number>()
  let passed = 0
  while (!signal.aborted) {
    const { letters, gone } = await transaction(async trx => {
      const { rows } = await sql<{ n: number; at: number; holding: number }>`
        select n, at, holding from dead_letters where n > ${passed} order by n limit ${CHUNK}`.execute(trx)
      const old = rows.filter(({ at, holding }) => at < before.deadLetters && holding === 0).map(({ n }) => n)
      if (old.length === 0) return { letters: rows, gone: new Map<string, number>() }
      // A redrive may have taken some of them meanwhile: only what is deleted here counts.
      const { rows: deleted } = await sql<{ destination: string }>`
        delete from dead_letters where ${dialect.among(sql`n`, old, 'int')} and holding = 0 returning destination`.execute(
        trx,
      )
      const counts = new Map<string, number>()
      for (const { destination } of deleted) counts.set(destination, (counts.get(destination) ?? 0) + 1)
      for (const [destination, count] of [...counts].sort())
        await sql`
          insert into expired_dead_letters (destination, count, last_at) values (${destination}, ${count}, ${before.now})
          on conflict (destination) do update
          set count = expired_dead_letters.count + excluded.count, last_at = excluded.last_at`.execute(trx)
      return { letters: rows, gone: counts }
    })
    for (const [destination, count] of gone) expired.set(destination, (expired.get(destination) ?? 0) + count)
    await pause()
    const last = letters.at(-1)
    if (!last || letters.length < CHUNK || last.at >= before.deadLetters) break
    passed = last.n
  }
  return expired
}
