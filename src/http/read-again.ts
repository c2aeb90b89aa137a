import type { ApiDeps } from './deps.ts'

/** Has an order read again soon: directly where this process polls it, else through the store, where the polling process finds it. */
export async function readAgain(
  { store, ingest, clock }: Pick<ApiDeps, 'store' | 'ingest' | 'clock'>,
  connection: string,
  orderId: string,
): Promise<void> {
  if (ingest?.refetch(connection, orderId)) return
  const userId = (await store.orders.get(connection, orderId))?.userId ?? null
  await store.follows.put(connection, 'order', orderId, userId, clock.now())
}
