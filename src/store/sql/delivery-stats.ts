import { sql } from 'kysely'
import type { AttemptInShort, DeliveryStore } from '../port/deliveries.ts'
import type { Sql } from './sql.ts'

/** What statistics are made of: attempts in short, of one destination or of all. */
export function attemptsInShort({ db }: Sql): Pick<DeliveryStore, 'last' | 'latest' | 'behind'> {
  return {
    last: async () => {
      const { rows } = await sql<{ n: number | null }>`select max(n) as n from attempts`.execute(db)
      return rows[0]?.n ?? 0
    },

    latest: async (destination, limit, before = Number.MAX_SAFE_INTEGER) => {
      const { rows } = await sql<Columns>`
        select ${COLUMNS} from attempts where destination = ${destination} and n < ${before}
        order by n desc limit ${limit}`.execute(db)
      return rows.map(inShort)
    },

    behind: async (n, limit) => {
      const { rows } = await sql<Columns>`
        select ${COLUMNS} from attempts where n > ${n} order by n limit ${limit}`.execute(db)
      return rows.map(inShort)
    },
  }
}

const COLUMNS = sql`n, destination, outcome, at, ms, error`

interface Columns extends Omit<AttemptInShort, 'delivered'> {
  readonly outcome: string
}

const inShort = ({ n, destination, outcome, at, ms, error }: Columns): AttemptInShort => ({
  ...{ n, destination, at, ms, error },
  delivered: outcome === 'delivered',
})
