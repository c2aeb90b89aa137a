import type { OrderEvent } from '../../schemas/order-event.ts'
import { escapeJson, visibleLine, visibleLines } from '../lib/control-characters.ts'

/**
 * What commands print: lines for people, or JSON lines for programs (`--json`). Control characters in texts of vendors and endpoints are shown
 * escaped: they never reach the terminal.
 */
export interface Output {
  readonly json: boolean
  /** A text of our own, which may have several lines. */
  line(text: string): void
  /** One object: a JSON line with `--json`, else `text` as one line. */
  item(value: unknown, text: string): void
  /** One object as JSON for people, over several lines; a JSON line with `--json`. */
  whole(value: unknown): void
}

export function createOutput(
  json: boolean,
  write: (text: string) => void = text => void process.stdout.write(text),
): Output {
  const jsonOf = (value: unknown, indent?: number) => `${escapeJson(JSON.stringify(value, null, indent))}\n`
  return {
    json,
    line: text => write(`${visibleLines(text)}\n`),
    item: (value, text) => write(json ? jsonOf(value) : `${visibleLine(text)}\n`),
    whole: value => write(jsonOf(value, json ? undefined : 2)),
  }
}

/** An event as one readable line: `2026-03-02 10:15:30  shop/288263-00421 #2  shipped  p-1 by UPS, 1Z2345`. */
export function eventLine(event: OrderEvent): string {
  const { time, type, partitionkey, data } = event
  return [
    time.slice(0, 19).replace('T', ' '),
    `${partitionkey} #${data.sequence}`,
    type.slice('order.'.length).padEnd(16),
    whatHappened(event),
  ].join('  ')
}

function whatHappened(event: OrderEvent): string {
  switch (event.type) {
    case 'order.paid':
      return money(event.data.payment.amount, event.data.payment.currency)
    case 'order.shipped':
    case 'order.shipment_updated': {
      const { packageId, carrier, trackingNumber } = event.data.shipment
      return [packageId, carrier && `by ${carrier}`, trackingNumber].filter(Boolean).join(' ') || 'the whole order'
    }
    case 'order.delivered':
      return event.data.delivery.packageId ?? 'the whole order'
    case 'order.refunded': {
      const { amount, currency, full } = event.data.refund
      return `${money(amount, currency)}${full ? ' (in full)' : ''}`
    }
    case 'order.cancelled':
      return event.data.cancellation.reason ?? ''
  }
}

const money = (amount: string | null, currency: string | null): string =>
  amount === null ? 'amount not given' : `${amount} ${currency ?? ''}`.trim()
