import type { OrderSnapshot } from '../../../schemas/order.ts'

/** Row and detail of an order are two copies, either of which may be behind: nothing that one of them proves is undone by the other. */
export const together = (row: OrderSnapshot, detail: OrderSnapshot): OrderSnapshot => ({
  ...detail,
  paid: detail.paid ?? row.paid,
  packages: detail.packages.length < row.packages.length ? row.packages : detail.packages,
  delivered: detail.delivered ?? row.delivered,
  refund: detail.refund ?? row.refund,
  cancelled: detail.cancelled ?? row.cancelled,
})
