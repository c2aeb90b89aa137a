import { messageOf } from '../lib/errors.ts'
import { createMutex } from '../lib/mutex.ts'
import type { ConnectionPatch, ConnectionState, ConnectionStore } from '../store/port/connections.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** The loops of a connection besides the polls, as messages name them. */
const LOOPS = {
  lease: 'Lease',
  publish: 'Publishing',
  /** The log takes most events, and refuses some. */
  refused: 'Publishing',
  backfill: 'Backfill',
  /** Backfills that somebody asked for. */
  requested: 'Backfill on request',
  orders: 'Single orders',
  recheck: 'Orders to read again',
  reconcile: 'Reconciliation',
} as const
export type Loop = keyof typeof LOOPS

/** The state of the polls, as the row of the connection holds it. */
interface Polls {
  readonly state: ConnectionState
  readonly lastError: string | null
}

export type Troubles = ReturnType<typeof createTroubles>

/**
 * What is wrong with each loop of one connection. Its stored row shows all of it: a successful poll does not hide that another loop
 * fails.
 */
export function createTroubles(deps: { connection: string; connections: ConnectionStore; log: Log; metrics: Metrics }) {
  const { connection, connections, log, metrics } = deps
  const oneWriteAtATime = createMutex()
  const troubles = new Map<Loop, string>()
  /** After the last poll; null: none since the start. */
  let polls: Polls | null = null
  let lease: Lease | null = null

  function others(): string | null {
    const sentences = [...troubles].map(([loop, trouble]) => `${LOOPS[loop]}: ${trouble}`)
    return sentences.length > 0 ? sentences.join(' ') : null
  }

  const refused = () => troubles.get('refused') ?? null

  function merged({ state, lastError }: Polls): Polls {
    const more = others()
    if (more === null) return { state, lastError }
    return {
      state: state === 'stopped' ? state : 'failing',
      lastError: lastError === null ? more : `${lastError} ${more}`,
    }
  }

  /** Writes the row. Before the first poll it writes troubles only: the rest of the row is of an earlier process. */
  async function refresh(under: Lease): Promise<void> {
    const known = polls ?? (troubles.size > 0 ? { state: 'failing' as const, lastError: null } : null)
    if (known) await connections.update(under, connection, { ...merged(known), refused: refused() })
  }

  return {
    /** `trouble` null: the loop works. Stored at once while this process has the lease. */
    report(loop: Loop, trouble: string | null): void {
      if ((troubles.get(loop) ?? null) === trouble) return
      if (trouble === null) troubles.delete(loop)
      else troubles.set(loop, trouble)
      metrics.connectionTrouble.set({ connection, loop }, trouble === null ? 0 : 1)
      const under = lease
      if (!under) return
      oneWriteAtATime(() => refresh(under)).catch(error =>
        log.debug({ error: messageOf(error) }, 'the trouble of a loop could not be stored; the next poll stores it'),
      )
    },

    /** Writes the patch of a poll, and how the poll went. */
    polled: (under: Lease, patch: ConnectionPatch & Polls): Promise<void> =>
      oneWriteAtATime(async () => {
        polls = { state: patch.state, lastError: patch.lastError }
        await connections.update(under, connection, { ...patch, ...merged(polls), refused: refused() })
      }),

    /** The lease for writes from now on. null: none, and the troubles under the last one are over. */
    under(held: Lease | null): void {
      lease = held
      polls = null
      if (held !== null) return
      for (const loop of [...troubles.keys()]) {
        if (loop === 'lease') continue
        troubles.delete(loop)
        metrics.connectionTrouble.set({ connection, loop }, 0)
      }
    },

    /** One sentence for each loop in trouble; null: none is. */
    sentence: others,
    of: (loop: Loop): string | null => troubles.get(loop) ?? null,
  }
}
