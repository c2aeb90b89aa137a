import { createHmac } from 'node:crypto'
import { parseJson } from '../../lib/exact-json.ts'
import { isIdText } from '../../lib/id-text.ts'
import { sameText } from '../../lib/same-text.ts'
import type { WebhookReader } from '../source.ts'

/** Signed with the secret of the connection: X-Shoplazza-Hmac-Sha256, base64, over the raw body. While it is rotated, any of the list counts. */
export const shoplazzaWebhook = (secrets: readonly string[]): WebhookReader => ({
  verify({ body, header }) {
    const signature = header('x-shoplazza-hmac-sha256') ?? ''
    // All of them are tried, so that the time does not tell which one fits.
    const fitting = secrets.filter(secret =>
      sameText(signature, createHmac('sha256', secret).update(body).digest('base64')),
    )
    return fitting.length > 0
  },
  read({ body, header }) {
    const orderId = findOrderId(parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body), 'The webhook'))
    return {
      orders: orderId === null ? [] : [{ orderId, userId: null }],
      deliveryId: header('x-shoplazza-deduplication-id') ?? null,
      topic: header('x-shoplazza-topic') ?? null,
    }
  },
})

/** The order's id wherever a webhook puts it: `order.id`, `order_id`, or `id`, bare or below `data`. */
function findOrderId(payload: unknown): string | null {
  const body = members(payload)
  for (const { order, order_id, id } of [body, members(body.data)]) {
    const found = idText(members(order).id) ?? idText(members(order).order_id) ?? idText(order_id) ?? idText(id)
    if (found !== null) return found
  }
  return null
}

const members = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}

function idText(value: unknown): string | null {
  const text = Number.isSafeInteger(value) ? String(value) : value
  return typeof text === 'string' && isIdText(text.trim()) ? text.trim() : null
}
