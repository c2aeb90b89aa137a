import type { Selectable } from 'kysely'
import type { OrderSnapshot } from '../../../schemas/order.ts'
import type { OrderState } from '../../order/state.ts'
import type { OrderRow } from '../port/orders.ts'
import type { Schema } from './tables.ts'

export const orderOf = (row: Selectable<Schema['orders']>): OrderRow => ({
  connection: row.connection,
  orderId: row.order_id,
  userId: row.user_id,
  digest: row.digest,
  state: JSON.parse(row.state) as OrderState,
  snapshot: JSON.parse(row.snapshot) as OrderSnapshot,
  observedAt: row.observed_at,
  recheckAt: row.recheck_at,
})
