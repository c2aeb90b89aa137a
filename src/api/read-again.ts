import { pictureOf } from '../order/picture.ts'
import type { ApiDeps } from './deps.ts'

/**
 * Asks for an order to be read again soon. The request is stored, so any process that polls the connection serves it. `announced`: a
 * webhook said that the order changed, so it is read until it shows a change. `userId`: its buyer, if known.
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
