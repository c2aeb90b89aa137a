import type { OrderEvent } from '../../schemas/order-event.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Durable } from './durable.ts'
import { factsOf, refunded } from './orders.ts'
import type { Receiver, Watch } from './receiver.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'
import type { Vendor } from './vendor.ts'

/** Watches a run and judges it at its end. `violations` are what the guarantees forbid. */
export interface Checks extends Watch {
  readonly violations: readonly string[]
  violated(what: string): void
  /** An effect on the store: some of them are remembered. */
  stored(call: string, args: readonly unknown[]): void
  /** A position is about to become durable. */
  settling(entries: readonly Pick<EventRecord, 'id' | 'type' | 'connection' | 'orderKey' | 'sequence'>[]): void
  /** What has to hold at any moment. */
  always(): void
  /** Facts without an event, and events nobody has got: as far as they are not explained yet. */
  missing(): { facts: string[]; deliveries: string[] }
  /** Orders set aside. */
  quarantined(): { connection: string; orderId: string }[]
  /** What has to hold at the end. */
  finally(): void
}

interface EventRow {
  readonly n: number
  readonly id: string
  readonly type: EventRecord['type']
  readonly connection: string
  readonly order_id: string
  readonly order_key: string
  readonly sequence: number
  readonly body: string
}

export function createChecks(deps: {
  durable: Durable
  time: Time
  trace: Trace
  vendors: readonly Vendor[]
  receivers: () => readonly Receiver[]
  /** Wall clocks never jump in this run, and no second process works the same lanes: a retry comes when it was written down for. */
  retriesAlone: boolean
  /** Wall clocks never jump in this run. */
  steady: boolean
}): Checks {
  const { durable, time, trace, vendors } = deps
  const violations: string[] = []
  const acknowledged = new Set<string>()
  const buried = new Set<string>()
  /** By process: one that lost a partition without noticing may hold the same lane as its successor. */
  const failed = new Map<string, { attempt: number; at: number }>()

  function violated(what: string): void {
    if (violations.length < 20 && !violations.includes(what)) {
      trace.note(`VIOLATION ${what}`)
      violations.push(what)
    }
  }

  const done = (receiver: string, id: string) =>
    acknowledged.has(`${receiver} ${id}`) || buried.has(`${receiver} ${id}`)

  function settling(entries: Parameters<Checks['settling']>[0]): void {
    for (const event of entries)
      for (const receiver of deps.receivers()) {
        if (!receiver.wants(event) || done(receiver.id, event.id)) continue
        const [row] = durable.query(
          'select 1 from backlog where destination = ? and event_id = ? union select 1 from dead_letters where destination = ? and event_id = ?',
          receiver.id,
          event.id,
          receiver.id,
          event.id,
        )
        if (!row)
          violated(
            `a position passed ${event.orderKey}:${event.sequence}, which ${receiver.id} neither has nor waits for`,
          )
      }
  }

  function facts(): string[] {
    const missing: string[] = []
    for (const vendor of vendors) {
      const events = durable.query<EventRow>('select * from events where connection = ? order by n', vendor.id)
      const ofOrder = Map.groupBy(events, event => event.order_id)
      for (const order of vendor.orders.values()) {
        const said = (ofOrder.get(order.id) ?? []).map(row => JSON.parse(row.body) as OrderEvent)
        const keys = new Set(said.map(keyOf))
        for (const fact of factsOf(order, vendor.habits))
          if (!keys.has(fact)) missing.push(`${vendor.id}/${order.id} ${fact}`)
        const total = said.reduce((sum, event) => sum + refundOf(event), 0)
        if (total < refunded(order)) missing.push(`${vendor.id}/${order.id} refunded ${refunded(order)}, said ${total}`)
      }
    }
    return missing
  }

  function deliveries(): string[] {
    const missing: string[] = []
    const letters = new Set(
      durable
        .query<{ destination: string; event_id: string }>('select destination, event_id from dead_letters')
        .map(row => `${row.destination} ${row.event_id}`),
    )
    const held = new Set(
      durable
        .query<{ destination: string; order_key: string }>('select destination, order_key from lanes where held = 1')
        .map(row => `${row.destination} ${row.order_key}`),
    )
    for (const event of durable.query<EventRow>('select * from events'))
      for (const receiver of deps.receivers()) {
        if (!receiver.wants(event) || held.has(`${receiver.id} ${event.order_key}`)) continue
        const key = `${receiver.id} ${event.id}`
        if (!acknowledged.has(key) && !letters.has(key))
          missing.push(`${receiver.id} lacks ${event.order_key}:${event.sequence}`)
      }
    return missing
  }

  /** No event says what did not happen, none says twice what happened once, and an order's events are numbered without a gap. */
  function judgeEvents(): void {
    for (const vendor of vendors) {
      const events = durable.query<EventRow>(
        'select * from events where connection = ? order by order_id, sequence',
        vendor.id,
      )
      for (const [orderId, rows] of Map.groupBy(events, event => event.order_id)) {
        const order = vendor.orders.get(orderId)
        if (!order) {
          violated(`events of an order that does not exist: ${orderId}`)
          continue
        }
        const places = [...rows].sort((a, b) => a.n - b.n).map(row => row.sequence)
        if (places.some((place, index) => place !== index + 1)) violated(`${orderId} is numbered ${places}`)
        const said = rows.map(row => JSON.parse(row.body) as OrderEvent)
        const truth = new Set(factsOf(order, vendor.habits))
        const seen = new Set<string>()
        for (const event of said) {
          const key = keyOf(event)
          if (seen.has(key)) violated(`${orderId} said twice: ${key}`)
          seen.add(key)
          if (event.type !== 'order.refunded' && !truth.has(key)) violated(`${orderId} invented: ${key}`)
        }
        judgeRefunds(vendor, orderId, said)
      }
    }
  }

  function judgeRefunds(vendor: Vendor, orderId: string, said: readonly OrderEvent[]): void {
    const order = vendor.orders.get(orderId)
    const refunds = said.flatMap(event => (event.type === 'order.refunded' ? [event.data.refund] : []))
    if (!order || refunds.length === 0) return
    const total = said.reduce((sum, event) => sum + refundOf(event), 0)
    if (total > refunded(order)) violated(`${orderId} refunded ${refunded(order)}, said ${total}`)
    const records = refunds.filter(({ refundId }) => refundId.startsWith('R'))
    if (records.length > 0 && records.length < refunds.length) violated(`${orderId} told refunds in two ways`)
    const prompt = order.refunds.every(({ at, onRecordAt }) => onRecordAt - at < 500_000)
    if (vendor.habits.refunds === 'records' && prompt && deps.steady && records.length < refunds.length)
      violated(`${orderId} has records of all its refunds, and they were told by totals`)
  }

  function always(): void {
    const [lost] = durable.query<{ order_key: string }>(
      'select order_key from lanes where not exists (select 1 from backlog where backlog.destination = lanes.destination and backlog.order_key = lanes.order_key) limit 1',
    )
    if (lost) violated(`a lane row without a backlog: ${lost.order_key}`)
    const [orphan] = durable.query<{ order_key: string }>(
      'select order_key from backlog where not exists (select 1 from lanes where lanes.destination = backlog.destination and lanes.order_key = backlog.order_key) limit 1',
    )
    if (orphan) violated(`a backlog without a lane row: ${orphan.order_key}`)
  }

  return {
    violations,
    violated,
    settling,
    always,
    missing: () => ({ facts: facts(), deliveries: deliveries() }),
    quarantined: () =>
      durable
        .query<{ connection: string; order_id: string }>(
          'select distinct connection, order_id from quarantine where order_id is not null order by connection, order_id',
        )
        .map(row => ({ connection: row.connection, orderId: row.order_id })),

    stored(call, args) {
      if (call === 'bury') {
        const [letter] = args as [{ destination: string; eventId: string }]
        buried.add(`${letter.destination} ${letter.eventId}`)
      }
    },

    trying(life, receiver, event, attempt) {
      const earlier = durable.query<EventRow>(
        'select * from events where order_id = ? and connection = ? and sequence < ?',
        event.orderId,
        event.connection,
        event.sequence,
      )
      for (const one of earlier)
        if (receiver.wants(one) && !done(receiver.id, one.id))
          violated(`${receiver.id} was sent ${event.orderKey}:${event.sequence} before it had :${one.sequence}`)
      const last = failed.get(`${life.name} ${receiver.id} ${event.id}`)
      // Only of handlers: nothing ever hurries their retries. After a failed attempt the next has a higher number.
      const pause = receiver.delivery.retries[(last?.attempt ?? 0) - 1]
      if (
        last &&
        deps.retriesAlone &&
        receiver.kind === 'handler' &&
        attempt === last.attempt + 1 &&
        pause !== undefined
      )
        if (time.now - last.at < pause * 0.8 - 1)
          violated(`${receiver.id} was sent ${event.orderKey}:${event.sequence} again after ${time.now - last.at} ms`)
    },

    answered(life, receiver, event, attempt, { result }) {
      if (result === 'delivered') acknowledged.add(`${receiver.id} ${event.id}`)
      if (result === 'retry') failed.set(`${life.name} ${receiver.id} ${event.id}`, { attempt, at: time.now })
    },

    finally() {
      always()
      judgeEvents()
      for (const fact of facts()) violated(`lost: ${fact}`)
      for (const delivery of deliveries()) violated(`never delivered: ${delivery}`)
      for (const { connection, orderId } of this.quarantined())
        violated(`still in quarantine: ${connection}/${orderId}`)
      for (const [table, what] of [
        ['lanes', 'a lane'],
        ['backlog', 'an event'],
      ])
        for (const row of durable.query<{ destination: string; order_key: string }>(`select * from ${table}`))
          violated(`${what} still waits at the end: ${row.destination} ${row.order_key}`)
      for (const row of durable.query<EventRow>('select * from events where published_at is null'))
        violated(`never published: ${row.order_key}:${row.sequence}`)
    },
  }
}

function keyOf(event: OrderEvent): string {
  switch (event.type) {
    case 'order.paid':
      return 'paid'
    case 'order.cancelled':
      return 'cancelled'
    case 'order.shipped': {
      const { packageId, trackingNumber } = event.data.shipment
      return `shipped ${packageId ?? trackingNumber}`
    }
    case 'order.delivered': {
      const { packageId } = event.data.delivery
      return packageId === null ? 'delivered' : `delivered ${packageId}`
    }
    case 'order.refunded':
      return `refunded ${event.data.refund.refundId}`
  }
}

const refundOf = (event: OrderEvent): number =>
  event.type === 'order.refunded' ? Math.round(Number(event.data.refund.amount ?? 0) * 100) : 0
