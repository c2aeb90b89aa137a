import { messageOf } from '../lib/errors.ts'
import { createMutex } from '../lib/mutex.ts'
import type { ConnectionPatch, ConnectionState, ConnectionStore } from '../store/port/connections.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** The loops of a connection besides the polls, as a person reads of them. */
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

/** How the polls are doing, as the connection's row says it. */
interface Polls {
  readonly state: ConnectionState
  readonly lastError: string | null
}

export type Troubles = ReturnType<typeof createTroubles>

/**
 * What is wrong with each loop of one connection. The connection's stored row shows all of it: a poll that succeeds does not hide that
 * another loop fails.
 */
export function createTroubles(deps: { connection: string; connections: ConnectionStore; log: Log; metrics: Metrics }) {
  const { connection, connections, log, metrics } = deps
  const oneWriteAtATime = createMutex()
  const troubles = new Map<Loop, string>()
  /** As the last poll left them; null: none since the start. */
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

  /** The row as it should be now. Before the first poll only troubles are written: what the row says besides is of an earlier process. */
  async function refresh(under: Lease): Promise<void> {
    const known = polls ?? (troubles.size > 0 ? { state: 'failing' as const, lastError: null } : null)
    if (known) await connections.update(under, connection, { ...merged(known), refused: refused() })
  }

  return {
    /** `trouble` null: the loop works. Shown at once while this process has the lease. */
    report(loop: Loop, trouble: string | null): void {
      if ((troubles.get(loop) ?? null) === trouble) return
      if (trouble === null) troubles.delete(loop)
      else troubles.set(loop, trouble)
      metrics.connectionTrouble.set({ connection, loop }, trouble === null ? 0 : 1)
      const under = lease
      if (!under) return
      oneWriteAtATime(() => refresh(under)).catch(error =>
        log.debug({ error: messageOf(error) }, 'the trouble of a loop could not be stored; the next poll does it'),
      )
    },

    /** Writes what a poll changes of the connection, and how it went. */
    polled: (under: Lease, patch: ConnectionPatch & Polls): Promise<void> =>
      oneWriteAtATime(async () => {
        polls = { state: patch.state, lastError: patch.lastError }
        await connections.update(under, connection, { ...patch, ...merged(polls), refused: refused() })
      }),

    /** The lease under which the row may be written from now on; null: none, and what was wrong under the last one is over. */
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
