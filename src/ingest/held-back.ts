import type { Refusal } from '../event-log/event-log.ts'
import { doubled } from '../lib/back-off.ts'
import type { AppError } from '../lib/errors.ts'
import type { StoredEvent } from '../store/port/events.ts'

const PAUSES = { partition: { first: 1_000, most: 15_000 }, order: { first: 5_000, most: 30_000 } } as const
/** A partition whose broker is lost gets another leader within seconds: the first tries are frequent. */
const EAGER = { refusals: 6, most: 3_000 }
/** If more orders than this are held back, each is tried more rarely. */
const MANY_ORDERS = 100

/** A partition or an order whose events wait, because the log refused one of them. */
export interface Hold {
  readonly kind: 'partition' | 'order'
  /** Order of the first refused event. */
  readonly orderId: string
  error: AppError
  /** How often the log refused it. */
  refusals: number
  /** By the monotonic clock. */
  dueAt: number
  pauseMs: number
}

/**
 * The holds of one connection: what the log refuses at present. A refusing partition holds back all its orders, a refused event its own
 * order. Events of a hold are not read again until it is due.
 */
export function createHeldBack(deps: { monotonic: () => number; partitionOf: (orderKey: string) => number }) {
  const { monotonic, partitionOf } = deps
  const partitions = new Map<number, Hold>()
  const orders = new Map<string, Hold>()

  function longest(kind: Hold['kind']): number {
    const { most } = PAUSES[kind]
    return kind === 'order' ? most * Math.max(1, orders.size / MANY_ORDERS) : most
  }

  function put<K>(holds: Map<K, Hold>, key: K, { event, error, partition }: Refusal): Hold {
    const kind = partition === null ? 'order' : 'partition'
    const known = holds.get(key)
    if (!known) {
      const pauseMs = PAUSES[kind].first
      const fresh: Hold = {
        kind,
        orderId: event.orderId,
        error,
        refusals: 1,
        pauseMs,
        dueAt: monotonic() + pauseMs,
      }
      holds.set(key, fresh)
      return fresh
    }
    // Only the first refusal of a request counts; the others of the same hold follow from it.
    if (known.error === error && known.dueAt > monotonic()) return known
    known.error = error
    known.refusals++
    const isEager = kind === 'partition' && known.refusals <= EAGER.refusals
    known.pauseMs = doubled(known.pauseMs, isEager ? EAGER.most : longest(kind))
    known.dueAt = monotonic() + known.pauseMs
    return known
  }

  const all = () => [...partitions.values(), ...orders.values()]

  return {
    get any(): boolean {
      return partitions.size > 0 || orders.size > 0
    },

    /** The hold that the event waits for; null: it does not wait. */
    of: ({ orderKey }: Pick<StoredEvent, 'orderKey'>): Hold | null =>
      orders.get(orderKey) ?? (partitions.size > 0 ? (partitions.get(partitionOf(orderKey)) ?? null) : null),

    /** The log refused this event. */
    hold(refusal: Refusal): Hold {
      return refusal.partition === null
        ? put(orders, refusal.event.orderKey, refusal)
        : put(partitions, refusal.partition, refusal)
    },

    release(hold: Hold): void {
      for (const holds of [partitions, orders] as Map<unknown, Hold>[])
        for (const [key, one] of holds) if (one === hold) holds.delete(key)
    },

    due: (kind: Hold['kind']): readonly Hold[] =>
      [...(kind === 'partition' ? partitions : orders).values()].filter(({ dueAt }) => dueAt <= monotonic()),

    /** Milliseconds until the next one is due. */
    dueIn: (): number =>
      all().reduce((least, { dueAt }) => Math.min(least, dueAt - monotonic()), Number.MAX_SAFE_INTEGER),

    clear(): void {
      partitions.clear()
      orders.clear()
    },

    /** One sentence; null: nothing is held back. */
    sentence(): string | null {
      const [partition] = partitions.values()
      const [order] = orders.values()
      const more = orders.size > 1 ? ` So do ${orders.size - 1} other orders.` : ''
      const sentences = [
        partition &&
          `Orders of partition ${[...partitions.keys()].sort((a, b) => a - b).join(', ')} wait: ${partition.error.message}`,
        order && `Order ${order.orderId} waits: ${order.error.message}${more}`,
      ].filter(sentence => sentence !== undefined)
      return sentences.length > 0 ? sentences.join(' ') : null
    },
  }
}
