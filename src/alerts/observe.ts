import { CIRCUIT } from '../dispatch/breaker.ts'
import type { AlertState, EndpointHealth } from '../store/port/alerts.ts'
import type { ConnectionRow } from '../store/port/connections.ts'
import type { EndpointRow } from '../store/port/endpoints.ts'
import type { Store } from '../store/store.ts'
import { dueLetters, type Observation, type View } from './evaluate.ts'

/** Twice the longest pause between probes of an open circuit. Without an attempt for longer, the endpoint is not being tried. */
const TRIED_WITHIN_MS = 2 * CIRCUIT.longestProbeMs
/** A connection that is due for longer is not being polled: its row is of an earlier process. */
const POLLED_WITHIN_MS = 120_000

type ObservedStore = Pick<Store, 'alerts' | 'connections' | 'endpoints' | 'reconciliations'>

/** Reads what alerts are about: once for all receivers. `connections`: ids of those that are to be polled. */
export async function observe(store: ObservedStore, connections: ReadonlySet<string>, now: number) {
  const [endpoints, rows, reconciliations, newestLetters] = await Promise.all([
    store.endpoints.list(),
    store.connections.list(),
    store.reconciliations.list(),
    store.alerts.newestLetters(),
  ])
  const polled = rows.filter(({ id }) => connections.has(id))
  const observations: Observation[] = [...polled.map(row => connectionSeen(row, now)), ...polled.map(publishingSeen)]
  for (const row of endpoints) observations.push(await endpointSeen(store, row, now))
  const reconciled = reconciliations.flatMap(({ connection, last }) =>
    connections.has(connection) && last ? [{ connection, at: last.at, events: last.events }] : [],
  )
  const shared = { observations, newestLetters, reconciled }

  /** The same for one receiver, with the dead letters it may be told of now. */
  return async (states: ReadonlyMap<string, AlertState>): Promise<View> => {
    const letters = []
    for (const { id, after } of dueLetters(states, newestLetters, now)) {
      const found = await store.alerts.lettersAfter(id, after)
      letters.push({ ...found, destination: id, newest: newestLetters.get(id) ?? after })
    }
    return { ...shared, letters }
  }
}

function connectionSeen(row: ConnectionRow, now: number): Observation {
  const about = { kind: 'connection' as const, id: row.id, reason: row.lastError }
  const isPolled = row.nextPollAt !== null && now <= row.nextPollAt + POLLED_WITHIN_MS
  if (row.state === 'ok' || row.state === 'behind') return { ...about, condition: 'ok', since: row.lastSuccessAt }
  // The row does not say since when: the evaluation remembers when it saw it first.
  return { ...about, condition: isPolled ? row.state : 'unknown', since: null }
}

function publishingSeen({ id, refused }: ConnectionRow): Observation {
  const about = { kind: 'publishing' as const, id, reason: refused }
  return refused === null
    ? { ...about, condition: 'ok', since: Number.MAX_SAFE_INTEGER }
    : { ...about, condition: 'refused', since: null }
}

async function endpointSeen({ alerts }: ObservedStore, row: EndpointRow, now: number): Promise<Observation> {
  const about = { kind: 'endpoint' as const, id: row.id }
  if (row.state === 'disabled')
    return { ...about, condition: 'disabled', since: row.updatedAt, reason: row.stateReason }
  const unknown: Observation = { ...about, condition: 'unknown', since: null, reason: null }
  if (row.state === 'paused') return unknown
  const { newest, failures } = await alerts.health(row.id, row.updatedAt)
  if (newest === null) return unknown
  if (newest.outcome === 'delivered') return { ...about, condition: 'ok', since: newest.at, reason: null }
  const openedAt = circuitOpenedAt(failures)
  if (openedAt === null || now - newest.at > TRIED_WITHIN_MS) return unknown
  const words = [newest.error, newest.response].filter(text => text !== null && text !== '')
  return {
    ...about,
    condition: 'failing',
    since: failures[0]?.at ?? openedAt,
    delayFrom: openedAt,
    reason: words.join(': ') || null,
  }
}

/**
 * When the circuit of an endpoint opened, by its attempts: each dispatcher keeps its circuits in memory, and the attempts are of all of them.
 * null: it is closed. `failures`: those that nothing delivered came after.
 */
export function circuitOpenedAt(failures: EndpointHealth['failures']): number | null {
  const orders = new Set<string>()
  const [first] = failures
  for (const [index, { at, orderKey }] of failures.entries()) {
    if (orders.size < CIRCUIT.orders) orders.add(orderKey)
    const hasLasted = first !== undefined && at - first.at >= CIRCUIT.spanMs
    if (index + 1 >= CIRCUIT.failures && orders.size >= CIRCUIT.orders && hasLasted) return at
  }
  return null
}
