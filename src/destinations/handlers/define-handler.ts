import type { z } from 'zod'
import type { DeliveryOptions } from '../../../schemas/config.ts'
import type { EventOf, EventType, OrderEvent } from '../../../schemas/order-event.ts'

/** The second argument of a handler's `run`. */
export interface HandlerContext {
  /** Structured log lines, marked with the handler and the event. */
  readonly log: {
    info(message: string, fields?: Record<string, unknown>): void
    warn(message: string, fields?: Record<string, unknown>): void
    error(message: string, fields?: Record<string, unknown>): void
  }
  /** Aborts at the delivery timeout and at shutdown; pass it on to what you call. */
  readonly signal: AbortSignal
  /** Number of the attempt, from 1. */
  readonly attempt: number
}

interface HandlerOptions {
  /** Delivery options of this handler; they override the global ones. The same as for endpoints. */
  readonly delivery?: z.input<typeof DeliveryOptions>
  /**
   * Runs the handler in worker threads. A thread is ended when its delivery times out. For code that computes for long, or that must not
   * endanger the process. The file is loaded in each thread.
   */
  readonly isolate?: boolean
}

export interface Handler extends HandlerOptions {
  readonly on: readonly EventType[] | '*'
  run(event: OrderEvent, context: HandlerContext): void | Promise<void>
}

/**
 * Makes a file of `handlers/` a destination: `export default defineHandler({ on, run })`. The file's name is the destination's id.
 * `run` is called for one event of an order at a time, in order. It acknowledges by returning, asks for a retry by throwing,
 * and dead-letters the event at once by throwing `GiveUp`. The same event may come twice (same `id`). `docs/handlers.md` has the rest.
 *
 * @example
 * export default defineHandler({
 *   on: ['order.paid'],
 *   delivery: { timeout: '30s' },
 *   run(event, { log }) { log.info('paid', { amount: event.data.payment.amount }) },
 * })
 */
export function defineHandler<const T extends EventType = EventType>(
  handler: HandlerOptions & {
    readonly on: readonly T[] | '*'
    run(event: EventOf<T>, context: HandlerContext): void | Promise<void>
  },
): Handler {
  return { ...handler, run: (event, context) => handler.run(event as EventOf<T>, context) }
}

/** Thrown by a handler: no retry will help; the event goes to the dead letters now. */
export class GiveUp extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'GiveUp'
  }
}
