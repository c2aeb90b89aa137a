import { hash } from 'node:crypto'
import type { EventType } from '../../schemas/order-event.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 22 // 62^22 > 2^128

/**
 * The event's id: a pure function of what the fact is about, so that the same fact observed again, by anyone, at any time,
 * is the same event. `which`: the package or the refund; empty where an order has only one.
 */
export function eventId(connection: string, orderId: string, type: EventType, which: string): string {
  const digest = hash('sha256', JSON.stringify([connection, orderId, type, which]), 'hex')
  let rest = BigInt(`0x${digest.slice(0, 32)}`)
  let id = ''
  for (let i = 0; i < LENGTH; i++) {
    id = ALPHABET.charAt(Number(rest % 62n)) + id
    rest /= 62n
  }
  return `evt_${id}`
}
