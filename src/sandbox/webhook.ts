import { createHmac, randomUUID } from 'node:crypto'
import { request } from 'undici'
import { AppError } from '../lib/errors.ts'
import type { Desk } from './desk.ts'
import { SHOPLAZZA_WEBHOOK_SECRET } from './shoplazza.ts'

/** A Shoplazza webhook as the vendor sends it (vendors.md, Shoplazza). */
export interface WebhookOrder {
  /** On loopback only: the sandbox calls nobody else. */
  readonly url: string
  /** Default `orders/update`. */
  readonly topic?: string
  /** The body is this order as the shelf has it; absent: `body`. */
  readonly orderId?: string
  /** Sent as it is when a string, else as JSON. */
  readonly body?: unknown
  readonly secret?: string
  /** The same id again is a duplicate. */
  readonly deduplicationId?: string
  /** Added to or replacing the usual headers; an empty value leaves the header out. */
  readonly headers?: Readonly<Record<string, string>>
}

const LOOPBACK = /^(127(\.\d+){3}|localhost|\[::1\])$/

/** Signs and sends; resolves with the status that came back. */
export async function sendWebhook(desk: Desk, webhook: WebhookOrder): Promise<{ statusCode: number }> {
  if (!LOOPBACK.test(new URL(webhook.url).hostname))
    throw new AppError('The sandbox sends webhooks to loopback addresses only.', {
      code: 'sandbox.address',
      intent: 'fix',
    })
  const order = webhook.orderId === undefined ? undefined : desk.shelf.get(webhook.orderId)?.json
  const given =
    typeof webhook.body === 'string' ? webhook.body : JSON.stringify(webhook.body ?? { id: webhook.orderId })
  const body = order ?? given
  const secret = webhook.secret ?? SHOPLAZZA_WEBHOOK_SECRET
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'X-Shoplazza-Topic': webhook.topic ?? 'orders/update',
    'X-Shoplazza-Hmac-Sha256': createHmac('sha256', secret).update(body).digest('base64'),
    'X-Shoplazza-Shop-Domain': 'sandbox.myshoplaza.com',
    'X-Shoplazza-Api-Version': '2022-01',
    'X-Shoplazza-Deduplication-ID': webhook.deduplicationId ?? randomUUID(),
    ...webhook.headers,
  }
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
  const answer = await request(webhook.url, { method: 'POST', headers: sent, body })
  await answer.body.dump()
  return { statusCode: answer.statusCode }
}
