import { type Ahead, isDone } from '../../src/event-log/ahead.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { OrderState } from '../../src/order/state.ts'
import type { EndpointRow } from '../../src/store/port/endpoints.ts'
import type { PageCommit } from '../../src/store/port/orders.ts'
import type { Durable } from './durable.ts'
import type { Receiver, Watch } from './receiver.ts'
import type { Life } from './session.ts'
import type { Shop } from './shop.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'
import { createTruth, type EventRow } from './truth.ts'

/** Watches a run and judges it at its end. `violations` are what the guarantees forbid. */
export interface Checks extends Watch {
  readonly violations: readonly string[]
  violated(what: string): void
  /** An effect on the store: some of them are remembered, some leave things that can be looked at. */
  stored(life: Life, call: string, args: readonly unknown[]): void
  /** The store refused something by itself. */
  refused(call: string, error: unknown): void
  /** A position is about to become durable. */
  settling(entries: readonly Entry[]): void
  /** What is said to be done beyond a position is about to become durable. */
  skipping(position: number, ahead: Ahead): void
  /** What has to hold at any moment. */
  always(): void
  /** Facts without an event. */
  untold(): string[]
  /** Events that a destination has neither got nor holds as a dead letter. */
  undelivered(): string[]
  /** Orders set aside. */
  quarantined(): { connection: string; orderId: string }[]
  /** Spans of update time in quarantine. */
  spans(): { id: string; connection: string; span_from: number; span_to: number }[]
  /** Connections in trouble, and with what. */
  failing(): string[]
  /** Whether orders updated then are in quarantine with all else of their span. */
  inSpan(connection: string, at: number): boolean
  /** What has to hold at the end. */
  finally(): void
}

type Entry = Pick<EventRecord, 'id' | 'type' | 'connection' | 'orderKey' | 'sequence'>

export function createChecks(deps: {
  durable: Durable
  time: Time
  trace: Trace
  vendors: readonly Shop[]
  receivers: () => readonly Receiver[]
  /** Wall clocks never jump in this run, and no second process works the same lanes: a retry comes when it was written down for. */
  retriesAlone: boolean
  /** When a total of refunds rose can be told from the order's update time: no wall clock jumps, and no change leaves the update time alone. */
  datedRises: boolean
}): Checks {
  const { durable, time, trace } = deps
  const truth = createTruth({ durable, shops: deps.vendors, datedRises: deps.datedRises })
  const violations: string[] = []
  const acknowledged = new Set<string>()
  /** By whom, at last, and when. */
  const deadLetters = new Map<string, { by: Life; at: number }>()
  /** Which process tried an event once more that another had given up: it may have begun before, but not twice. */
  const tried = new Set<string>()
  /** Endpoints that were made later, and the last event before which they are owed nothing. */
  const owedFrom = new Map<string, number>()
  /** What retention had removed before they were made. */
  const goneBefore = new Map<string, ReadonlySet<string>>()
  /** By process: one that lost a partition without noticing may hold the same lane as its successor. */
  const failed = new Map<string, { attempt: number; at: number }>()

  function violated(what: string): void {
    if (violations.length < 20 && !violations.includes(what)) {
      trace.note(`VIOLATION ${what}`)
      violations.push(what)
    }
  }

  const done = (receiver: string, id: string) =>
    acknowledged.has(`${receiver} ${id}`) || deadLetters.has(`${receiver} ${id}`)

  const receiving = () => deps.receivers().filter(({ id, late }) => !late || owedFrom.has(id))

  function owes({ id, wants }: Receiver, event: Pick<EventRow, 'n' | 'id' | 'type' | 'connection'>): boolean {
    return wants(event) && event.n > (owedFrom.get(id) ?? 0) && !goneBefore.get(id)?.has(event.id)
  }

  function isBefore({ id }: Receiver, eventId: string): boolean {
    const from = owedFrom.get(id) ?? 0
    return from > 0 && durable.query('select 1 from history where id = ? and n <= ?', eventId, from).length > 0
  }

  function made(id: string): void {
    if (owedFrom.has(id)) return
    const [row] = durable.query<{ filter: string }>('select filter from replays where destination = ?', id)
    const filter = JSON.parse(row?.filter ?? '{}') as { behind?: number }
    owedFrom.set(id, filter.behind ?? 0)
    goneBefore.set(id, new Set(durable.query<{ id: string }>('select id from removed_events').map(row => row.id)))
  }

  function mayTryOnce(life: Life, receiver: string, eventId: string): boolean {
    const letter = deadLetters.get(`${receiver} ${eventId}`)
    if (!letter || letter.by === life || life.bornAt >= letter.at) return false
    const once = `${life.name} ${receiver} ${eventId} ${letter.at}`
    if (tried.has(once)) return false
    tried.add(once)
    return true
  }

  function skipping(position: number, ahead: Ahead): void {
    const rows = durable.query<Entry & { n: number; order_key: string }>(
      'select n, id, type, connection, order_key, sequence from events where n > ? and n <= ?',
      position,
      ahead.through,
    )
    for (const receiver of receiving())
      settling(
        rows.filter(({ n }) => isDone(ahead, receiver.id, n)).map(row => ({ ...row, orderKey: row.order_key })),
        [receiver],
      )
  }

  function settling(entries: readonly Entry[], by: readonly Receiver[] = receiving()): void {
    for (const receiver of by) {
      // All that happened before somebody has looked back for it is found by that look.
      if (durable.query('select 1 from replays where destination = ? and opening = 1', receiver.id).length > 0) continue
      for (const event of entries) {
        if (!receiver.wants(event) || done(receiver.id, event.id) || isBefore(receiver, event.id)) continue
        // Retention had removed it before the endpoint was made, though it was in the log still.
        if (goneBefore.get(receiver.id)?.has(event.id)) continue
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
  }

  function undelivered(): string[] {
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
    const receivers = receiving()
    for (const event of truth.events())
      for (const receiver of receivers) {
        if (!owes(receiver, event) || held.has(`${receiver.id} ${event.order_key}`)) continue
        const key = `${receiver.id} ${event.id}`
        if (!acknowledged.has(key) && !letters.has(key))
          missing.push(`${receiver.id} lacks ${event.order_key}:${event.sequence}`)
      }
    return missing
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

  /** What is remembered of an order and what was said of it are one: the next event follows from both. */
  function remembered({ connection, orders }: PageCommit): void {
    for (const { orderId } of orders) {
      const [row] = durable.query<{ state: string; said: number }>(
        `select state, (select count(*) from history where history.order_id = orders.order_id and history.connection = orders.connection) as said
        from orders where order_id = ? and connection = ?`,
        orderId,
        connection,
      )
      if (!row) continue
      const state = JSON.parse(row.state) as OrderState
      if (state.sequence !== row.said || state.said.length !== row.said)
        violated(`of ${connection}/${orderId} ${row.said} events exist, and ${state.sequence} are remembered`)
    }
  }

  const quarantined: Checks['quarantined'] = () =>
    durable
      .query<{ connection: string; order_id: string }>(
        'select distinct connection, order_id from quarantine where order_id is not null order by connection, order_id',
      )
      .map(row => ({ connection: row.connection, orderId: row.order_id }))

  const spans: Checks['spans'] = () =>
    durable.query('select id, connection, span_from, span_to from quarantine where span_from is not null order by id')

  const failing: Checks['failing'] = () =>
    durable
      .query<{ id: string; last_error: string }>("select id, last_error from connections where state = 'failing'")
      .map(row => `${row.id}: ${row.last_error}`)

  return {
    violations,
    violated,
    settling,
    skipping,
    always,
    untold: truth.untold,
    undelivered,
    quarantined,
    spans,
    failing,
    inSpan: (connection, at) =>
      spans().some(span => span.connection === connection && span.span_from <= at && at <= span.span_to),

    stored(life, call, args) {
      if (call === 'insert') made((args[0] as EndpointRow).id)
      if (call === 'remove') owedFrom.delete(args[0] as string)
      if (call === 'commit') remembered(args[1] as PageCommit)
      if (call === 'deadLetter') {
        const [letter] = args as [{ destination: string; eventId: string }]
        deadLetters.set(`${letter.destination} ${letter.eventId}`, { by: life, at: time.now })
      }
    },

    refused(call, error) {
      // Whoever writes holds what nobody else may write: nothing is ever there twice.
      if (error instanceof Error && 'code' in error && error.code === 'store.conflict')
        violated(`${call} contradicts what is there: ${error.message}`)
    },

    trying(life, receiver, event, attempt) {
      // Removed, which this process need not know yet: nothing is owed to it any more.
      if (receiver.late && !owedFrom.has(receiver.id)) return
      const earlier = durable.query<EventRow>(
        'select n, id, type, connection, sequence from history where order_id = ? and connection = ? and sequence < ?',
        event.orderId,
        event.connection,
        event.sequence,
      )
      for (const one of earlier)
        if (owes(receiver, one) && !done(receiver.id, one.id))
          violated(`${receiver.id} was sent ${event.orderKey}:${event.sequence} before it had :${one.sequence}`)
      if (receiver.delivery.onExhausted === 'hold') {
        const letters = durable.query<{ sequence: number; event_id: string }>(
          'select sequence, event_id from dead_letters where destination = ? and order_key = ? and holding = 1 and sequence <= ?',
          receiver.id,
          event.orderKey,
          event.sequence,
        )
        // Two that hold the same lane may not agree: then it is delivered, or it is this very event that is tried once more.
        for (const letter of letters) {
          const again = letter.event_id === event.id && mayTryOnce(life, receiver.id, event.id)
          if (!acknowledged.has(`${receiver.id} ${letter.event_id}`) && !again)
            violated(`${receiver.id} was sent ${event.orderKey}:${event.sequence}, held back by :${letter.sequence}`)
        }
      }
      const last = failed.get(`${life.name} ${receiver.id} ${event.id}`)
      // Only of handlers: nothing ever hurries their retries. The same number again means that the retry was not written down.
      const pause = receiver.delivery.retries[(last?.attempt ?? 0) - 1]
      if (
        last &&
        deps.retriesAlone &&
        receiver.kind === 'handler' &&
        (attempt === last.attempt || attempt === last.attempt + 1) &&
        pause !== undefined
      )
        if (time.now - last.at < pause * 0.8 - 1)
          violated(`${receiver.id} was sent ${event.orderKey}:${event.sequence} again after ${time.now - last.at} ms`)
    },

    answered(life, receiver, event, attempt, { result }) {
      if (result === 'delivered') acknowledged.add(`${receiver.id} ${event.id}`)
      if (result === 'retry') failed.set(`${life.name} ${receiver.id} ${event.id}`, { attempt, at: time.now })
    },

    received: (receiver, problem) => violated(`${receiver.id}: ${problem}`),

    finally() {
      always()
      truth.judge(violated)
      for (const fact of truth.untold()) violated(`lost: ${fact}`)
      for (const delivery of undelivered()) violated(`never delivered: ${delivery}`)
      for (const { connection, orderId } of quarantined()) violated(`still in quarantine: ${connection}/${orderId}`)
      for (const { connection, span_from } of spans()) violated(`still in quarantine: ${connection}, at ${span_from}`)
      for (const trouble of failing()) violated(`still failing: ${trouble}`)
      for (const [table, what] of [
        ['lanes', 'a lane'],
        ['backlog', 'an event'],
      ])
        for (const row of durable.query<{ destination: string; order_key: string }>(`select * from ${table}`))
          violated(`${what} still waits at the end: ${row.destination} ${row.order_key}`)
      for (const row of durable.query<EventRow>(
        'select order_key, sequence from history join unpublished on unpublished.n = history.n',
      ))
        violated(`never published: ${row.order_key}:${row.sequence}`)
    },
  }
}
