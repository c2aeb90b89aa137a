import type { Cluster } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'
import { followCoordinator } from './coordinator.ts'

/** What kafkajs has no hook for, or does not tell. It stands on functions of its own classes; `test/event-log/kafka/consume.test.ts` notices if they change. */

/**
 * kafkajs rebalances eagerly and has no hook for a revoke: when it joins again, others may get all its partitions. It looks up the
 * coordinator first and waits for that, so partitions are revoked there.
 */
export function beforeJoining(
  cluster: Cluster,
  { clock, sessionMs }: { clock: Clock; sessionMs: number },
  release: () => Promise<void>,
): void {
  const find = cluster.findGroupCoordinator.bind(cluster)
  cluster.findGroupCoordinator = async group => {
    // First, because the last commit needs a coordinator: a broker that is lost may be both it and the leader whose loss makes us join again.
    const first = await find(group)
    await release()
    return followCoordinator({ first, find: () => find(group), sessionMs, clock })
  }
}

/** kafkajs refreshes metadata after a refused fetch: the topic did not exist, or its leader moved. */
export function afterTrouble(cluster: Cluster, doubt: () => void): void {
  const refresh = cluster.refreshMetadata.bind(cluster)
  cluster.refreshMetadata = async () => {
    await refresh()
    doubt()
  }
}

/** The offset that a batch was fetched from; null if kafkajs does not tell it. */
export function fetchedOffset(batch: object): number | null {
  const offset = 'fetchedOffset' in batch ? Number(batch.fetchedOffset) : Number.NaN
  return Number.isNaN(offset) ? null : offset
}
