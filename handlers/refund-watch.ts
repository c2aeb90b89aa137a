import { defineHandler } from 'orderwire'

/** From this amount on a refund deserves a look, whatever its currency; and any refund after which nothing of the order is left. */
const LARGE = 100

/**
 * Warns about refunds a person should see, with what is needed to judge them. Where warnings of the log go to a chat or pager,
 * so do these. It keeps nothing, so an event that comes twice (a crash, a replay) does no harm but a second line.
 */
export default defineHandler({
  on: ['order.refunded'],
  run(event, { log }) {
    const { connection, orderId, orderNumber, order, refund } = event.data
    if (!refund.full && Number(refund.amount ?? 0) < LARGE) return
    log.warn(`refund to look at: order ${orderNumber ?? orderId} of ${connection}`, {
      amount: refund.amount,
      refundedSoFar: refund.totalRefunded,
      orderTotal: order.total,
      currency: refund.currency ?? order.currency,
      reason: refund.reason,
    })
  },
})
