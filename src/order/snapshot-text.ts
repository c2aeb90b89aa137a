import type { OrderSnapshot } from '../../schemas/order.ts'

const texts = new WeakMap<OrderSnapshot, string>()

/** The snapshot as JSON, made once: its size, its digest and its row in the store all need it. A snapshot never changes. */
export function snapshotText(snapshot: OrderSnapshot): string {
  const known = texts.get(snapshot)
  if (known !== undefined) return known
  const text = JSON.stringify(snapshot)
  texts.set(snapshot, text)
  return text
}
