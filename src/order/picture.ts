import { hash } from 'node:crypto'
import type { OrderSnapshot } from '../../schemas/order.ts'

/** A digest of an order as we read it: two pictures are equal when nothing in the order differs. `NO_PICTURE`: the order is not known. */
export const pictureOf = (snapshot: OrderSnapshot | undefined | null): string =>
  snapshot ? hash('sha1', JSON.stringify(snapshot), 'base64') : NO_PICTURE

export const NO_PICTURE = ''
