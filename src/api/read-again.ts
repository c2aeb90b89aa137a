import { pictureOf } from '../order/picture.ts'
import type { ApiDeps } from './deps.ts'

/**
 * Has an order read again soon, by whichever process works the connection: the store keeps the wish. `announced`: a webhook says that it
 * changed, so it is read until it shows that. `userId`: its buyer, where that is known.
 */
export async function readAgain(
  { store, ingest, clock }: Pick<ApiDeps, 'store' | 'ingest' | 'clock'>,
  connection: string,
  orderId: string,
  { announced = false, userId = null }: { announced?: boolean; userId?: string | null } = {},
): Promise<void> {
  const known = await store.orders.get(connection, orderId)
  await store.orderReads.ask({
    connection,
    orderId,
    userId: userId ?? known?.userId ?? null,
    announced,
    askedAt: clock.now(),
    seen: pictureOf(known?.snapshot),
  })
  ingest?.refetch(connection, orderId)
}
