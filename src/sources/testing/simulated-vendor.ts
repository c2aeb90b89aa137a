import type { EventType } from '../../../schemas/order-event.ts'
import type { Source } from '../define-source.ts'
import type { OrderRef } from '../source.ts'

/** What the author of a source gives to its tests: a simulated vendor, and what the vendor's rows can prove. */

export type OrderFact = 'paid' | 'shipped' | 'delivered' | 'refunded' | 'cancelled'

export const EVENT_OF = {
  paid: 'order.paid',
  shipped: 'order.shipped',
  delivered: 'order.delivered',
  refunded: 'order.refunded',
  cancelled: 'order.cancelled',
} as const satisfies Record<OrderFact, EventType>

/** An order as the simulated vendor is to show it, in its own words. */
export interface SimulatedOrder {
  /** Digits, at most nine. */
  readonly orderId: string
  /** Its buyer; of use where the vendor lists orders by buyer. */
  readonly userId: string
  /** Milliseconds since the epoch, in whole ticks of the vendor's clock. */
  readonly updatedAt: number
  /** What has happened to it, and nothing else has. A shipped order has one package; a refund is of the whole amount. */
  readonly facts: readonly OrderFact[]
}

/** What the vendor answers to every request instead: a status with headers, or status 200 with a page of HTML. */
export type SimulatedFailure =
  | 'not-json'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }

export interface SimulatedVendor {
  /** A connection to it as a configuration writes it, without `id` and `vendor`. */
  readonly connection: Readonly<Record<string, unknown>>
  /** Shows the order from now on, in place of one with the same id. */
  put(order: SimulatedOrder): void | Promise<void>
  /** Shows a row with this update time (of this buyer) that nobody can understand as an order. Absent: not tested. */
  putUnreadable?(row: Omit<SimulatedOrder, 'facts'>): void | Promise<void>
  /** null: it is well again. */
  fail(failure: SimulatedFailure | null): void | Promise<void>
  /** A webhook as the vendor signs and sends it. Needed where the connection takes webhooks. */
  webhook?(order: OrderRef): SignedRequest | Promise<SignedRequest>
  close(): void | Promise<void>
}

export interface SignedRequest {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

export interface SourceTest {
  readonly source: Source
  /** Opens a simulated vendor without orders. Each check opens its own. */
  open(): SimulatedVendor | Promise<SimulatedVendor>
  /** The facts that the vendor's rows can prove. */
  readonly proves: readonly OrderFact[]
  /** Secrets of the connection. No error and no description may show them. */
  readonly secrets?: readonly string[]
  /** Texts about buyers (names, mail addresses) that stand in the rows. No snapshot may hold them. */
  readonly personal?: readonly string[]
}

/** One promise of the port. `run` rejects with an AssertionError where the source breaks it. */
export interface SourceCheck {
  readonly name: string
  run(): Promise<void>
}
