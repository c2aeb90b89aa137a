import pg from 'pg'
import type { Clock } from '../../lib/clock.ts'
import type { DatabaseAddress, DatabaseHost, TargetSession } from '../../lib/database-url.ts'
import { endsWithin } from '../../lib/deadline.ts'
import { AppError } from '../../lib/errors.ts'
import { createHostOrder, type HostOrder } from './host-order.ts'
import { createLivenessWatch, type Liveness } from './liveness.ts'
import { isUnfit, postgresError } from './postgres-errors.ts'
import type { Session } from './session-pool.ts'

const INT8 = 20

export interface PostgresSession extends Session {
  /** Rejects with an AppError; afterwards `alive` says whether the session can still be used. */
  query(text: string, values: readonly unknown[]): Promise<pg.QueryResult>
  /** A transaction is open on it. */
  readonly inTransaction: boolean
  /** Its server did not answer any more. */
  readonly gone: boolean
}

export interface StatementLimits {
  /** The longest a statement may take; 0: any time. */
  readonly timeoutMs: number
}

/** How long a transaction may be idle: a suspended process would keep its locks for as long. */
const IDLE_TRANSACTION_MS = 60_000
/** Added to the server's limit, for a server that is gone and cannot enforce its own. */
const ANSWER_MS = 10_000
const GOODBYE_MS = 2_000

/** What the sessions of one pool know of the servers. */
export interface Servers {
  readonly order: HostOrder
  readonly watch: (client: pg.Client) => Liveness
}

export const serversOf = (clock: Clock): Servers => ({
  order: createHostOrder(clock),
  watch: createLivenessWatch(clock),
})

interface Watched {
  readonly watch: Servers['watch']
  /** The server of a session did not answer any more. */
  readonly gone: () => void
}

interface Wrapping {
  readonly place: string
  readonly end: () => Promise<void>
  readonly gone: () => void
  /** Added to the statement that begins a transaction. */
  readonly atBegin: string
  readonly liveness: Liveness
}

/**
 * Opens a session on the first reachable host that fits `target`. Wrong credentials or a missing database end the search: other hosts
 * would answer the same.
 */
export async function openSession(
  { hosts, target, shuffled, connectTimeoutMs, place }: DatabaseAddress,
  limits: StatementLimits,
  clock: Clock,
  { order, watch }: Servers = serversOf(clock),
): Promise<PostgresSession> {
  const failures: unknown[] = []
  for (const host of order.sorted(shuffled ? inAnyOrder(hosts) : hosts))
    try {
      return await openOn(host, { target, connectTimeoutMs, watch, gone: () => order.silent(host) }, limits, clock)
    } catch (error) {
      failures.push(error)
      if (error instanceof AppError && error.code === 'store.unreachable') order.silent(host)
      if (error instanceof AppError && error.code === 'store.refused') break
    }
  const [first] = failures
  if (failures.length === 1) throw first
  const last = failures.at(-1)
  if (last instanceof AppError && last.code === 'store.refused') throw last
  throw new AppError(
    `None of the servers ${place} can be used (${target}): ${failures.map(error => (error instanceof Error ? error.message : '')).join(' ')}`,
    { code: 'store.unreachable', intent: 'retry', cause: last },
  )
}

async function openOn(
  host: DatabaseHost,
  { target, connectTimeoutMs, watch, gone }: Pick<DatabaseAddress, 'target' | 'connectTimeoutMs'> & Watched,
  limits: StatementLimits,
  clock: Clock,
): Promise<PostgresSession> {
  // No limits here: poolers refuse unknown parameters at the start of a session.
  const client = new pg.Client({
    connectionString: host.url,
    application_name: 'orderwire',
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    ...(limits.timeoutMs > 0 && { query_timeout: limits.timeoutMs + ANSWER_MS }),
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  // The next statement reports it again.
  client.on('error', () => {})
  const end = ender(client, clock)
  try {
    await client.connect()
    await assertTarget(client, target, host.place)
    const pooled = !(await limited(client, limits))
    const atBegin = pooled ? localLimits(limits) : ''
    return wrap(client, { place: host.place, end, gone, atBegin, liveness: watch(client) })
  } catch (error) {
    void end()
    throw postgresError(error, host.place)
  }
}

/**
 * Sets the limits for the session, but not behind a pooler: there the server process is another than the one named at the start, and the
 * setting would reach other clients. False: nothing was set.
 */
async function limited(client: pg.Client, { timeoutMs }: StatementLimits): Promise<boolean> {
  const { rows } = await client.query(
    `select set_config('statement_timeout', $2, false), set_config('idle_in_transaction_session_timeout', $3, false)
     where pg_backend_pid() = $1::int`,
    [Number(Reflect.get(client, 'processID') ?? 0), String(timeoutMs), String(IDLE_TRANSACTION_MS)],
  )
  return rows.length > 0
}

const localLimits = ({ timeoutMs }: StatementLimits): string =>
  `; set local statement_timeout = ${timeoutMs}; set local idle_in_transaction_session_timeout = ${IDLE_TRANSACTION_MS}`

async function assertTarget(client: pg.Client, target: TargetSession, place: string): Promise<void> {
  if (target === 'any') return
  const [text, advice] =
    target === 'primary'
      ? ['select pg_is_in_recovery()::text as answer', 'it is a standby']
      : ["select current_setting('transaction_read_only') as answer", 'it accepts no writes']
  const { rows } = await client.query<{ answer: string }>(text)
  if (rows[0]?.answer === 'off' || rows[0]?.answer === 'false') return
  throw new AppError(`PostgreSQL at ${place} is not ${target}: ${advice}.`, {
    code: 'store.read_only',
    intent: 'retry',
  })
}

function wrap(client: pg.Client, { place, end, gone, atBegin, liveness }: Wrapping): PostgresSession {
  let unfit = false
  client.on('end', () => {
    unfit = true
  })
  return {
    end,
    get alive() {
      return !unfit
    },
    get inTransaction() {
      return client.getTransactionStatus() !== 'I'
    },
    get gone() {
      return liveness.gone
    },
    async query(text, values) {
      try {
        if (values.length > 0 || !/^(begin|start transaction)\b/i.test(text))
          return await liveness.guard(client.query(text, [...values]))
        // Several statements in one message have several results.
        const results: unknown = await liveness.guard(client.query(text + atBegin))
        const [result]: pg.QueryResult[] = Array.isArray(results) ? results : [results]
        if (!result) throw new Error('no answer')
        return result
      } catch (error) {
        unfit ||= isUnfit(error)
        if (liveness.gone) gone()
        throw postgresError(error, place)
      }
    },
  }
}

/** Closes the session once; a server that hangs is not waited for. */
function ender(client: pg.Client, clock: Clock): () => Promise<void> {
  let ended: Promise<unknown> | null = null
  return async () => {
    ended ??= endsWithin(clock, GOODBYE_MS, client.end())
    await ended
  }
}

function inAnyOrder<T>(values: readonly T[]): T[] {
  const left = [...values]
  return Array.from(values, () => left.splice(Math.floor(Math.random() * left.length), 1)).flat()
}
