import type { z } from 'zod'
import type { Reject } from '../source.ts'
import { idText } from './parse.ts'
import { reject } from './row-reader.ts'

/** A row as its vendor's order with a readable id, or the reason why it is none. */
export function orderHead<Order extends object>(
  row: unknown,
  shape: z.ZodType<Order>,
  idField: keyof Order & string,
): { readonly order: Order; readonly orderId: string } | Reject {
  const { data: order } = shape.safeParse(row)
  if (!order) return reject(null, '', row, 'expected an order: an object')
  const id = idText(order[idField])
  if (id.state === 'absent') return reject(null, idField, order[idField], 'expected an order with an id')
  if (id.state === 'unreadable') return reject(null, idField, order[idField], id.reason)
  return { order, orderId: id.value }
}
