import type { EventRecord } from '../../../src/order/event-record.ts'
import { NEW_ORDER } from '../../../src/order/state.ts'
import type { AttemptRow } from '../../../src/store/port/deliveries.ts'
import type { LaneRow, Spill } from '../../../src/store/port/lanes.ts'
import type { Lease } from '../../../src/store/port/leases.ts'
import type { OrderRow, PageCommit } from '../../../src/store/port/orders.ts'
import type { Store } from '../../../src/store/store.ts'
import { snapshot } from '../../helpers/snapshots.ts'

/** The store of the running test; another after `reopen`. */
export interface World {
  readonly store: Store
  reopen(): Promise<void>
  /** Changes rows behind the store's back, to what it would never write itself. */
  tamper(statement: string): Promise<void>
}

/** A fixed time, so that nothing in the tests depends on the day they run. */
export const NOW = 1_760_000_000_000

export async function leaseOf(store: Store, name = 'ingest:shop', owner = 'us'): Promise<Lease> {
  const lease = await store.leases.acquire(name, owner, 3_600_000, Date.now())
  if (!lease) throw new Error(`the lease ${name} is not free`)
  return lease
}

export function order(orderId: string, own: Partial<OrderRow> = {}): OrderRow {
  return {
    connection: 'shop',
    orderId,
    userId: null,
    digest: `digest of ${orderId}`,
    state: NEW_ORDER,
    snapshot: snapshot({ orderId }),
    observedAt: NOW,
    recheckAt: null,
    ...own,
  }
}

export const page = (own: Partial<PageCommit> = {}): PageCommit => ({
  connection: 'shop',
  orders: [],
  events: [],
  published: true,
  quarantine: [],
  ...own,
})

/** Puts events into the history, published. */
export async function remember(store: Store, events: readonly EventRecord[]): Promise<void> {
  const lease = await leaseOf(store, 'history')
  await store.orders.commit(lease, page({ events }))
}

export const spilled = (destination: string, events: readonly EventRecord[], own: Partial<Spill> = {}): Spill[] =>
  events.map(event => ({ destination, event, origin: 'live', ...own }))

/** Stores the events and puts them into the backlog of a destination, due at NOW. */
export async function wait(store: Store, destination: string, events: readonly EventRecord[]): Promise<void> {
  await remember(store, events)
  await store.lanes.spill(spilled(destination, events), { nextAt: NOW, attempt: 0 })
}

/** Every lane of a destination that is due, whatever its partition. */
export const dueLanes = (store: Store, destination: string, now = NOW): Promise<readonly LaneRow[]> =>
  store.lanes.due({ destination, now, limit: 100, owned: null, skip: new Set() })

export const backlogOf = async (store: Store, destination: string, orderKey: string): Promise<string[]> =>
  (await store.lanes.head(destination, orderKey, 1000)).map(event => event.id)

export const attemptRow = (event: EventRecord, own: Partial<AttemptRow> = {}): AttemptRow => ({
  destination: 'billing',
  eventId: event.id,
  orderKey: event.orderKey,
  attempt: 1,
  at: NOW,
  outcome: 'delivered',
  statusCode: 200,
  ms: 12,
  error: null,
  response: 'ok',
  origin: 'live',
  ...own,
})
