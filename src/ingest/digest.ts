import { hash } from 'node:crypto'
import type { OrderSnapshot } from '../../schemas/order.ts'

/** Grows when the same snapshot may prove more than before; then every order is derived again when it is next seen. */
const DERIVATION = 1

/** The same digest means: nothing of this order that we read has changed. */
export function digestOf(snapshot: OrderSnapshot): string {
  return hash('sha1', `${DERIVATION}${JSON.stringify(snapshot)}`, 'base64')
}
