import { hash } from 'node:crypto'
import { EVENT_TYPES, type EventType } from '../../schemas/order-event.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 22 // 62^22 > 2^128

/**
 * The event's id: a pure function of the fact, so every observation of the same fact gives the same event. `which`: the package or the
 * refund; empty if an order has only one.
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

/** The id of the event for the fact with this key (`fact.ts`). */
export const eventIdOf = (connection: string, orderId: string, type: EventType, key: string): string =>
  eventId(connection, orderId, type, key.slice(key.indexOf(':') + 1 || key.length))

/** The event type of a fact, by its key; null: there is no such fact. */
export function typeOfKey(key: string): EventType | null {
  const [word] = key.split(':', 1)
  return EVENT_TYPES.find(type => type === `order.${word}`) ?? null
}
