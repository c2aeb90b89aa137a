import assert from 'node:assert/strict'
import type { Connection } from '../../../schemas/connection.ts'
import { OrderSnapshot } from '../../../schemas/order.ts'
import { systemClock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { decide } from '../../order/decide.ts'
import { NEW_ORDER } from '../../order/state.ts'
import { createLog } from '../../telemetry/log.ts'
import { connectAll } from '../connect.ts'
import type { FeedPage, OrderRef, OrderSource, Page, ReadOptions, Window } from '../source.ts'
import type { SimulatedOrder, SimulatedVendor, SourceTest } from './simulated-vendor.ts'

/** A source at work on its simulated vendor, for one check. */
export interface Bench {
  readonly vendor: SimulatedVendor
  readonly source: OrderSource
  readonly config: Connection
  /** An hour ago, on a tick of the vendor's clock. */
  readonly past: number
}

export const LIVE: ReadOptions = { signal: new AbortController().signal, priority: 'live' }
const BUYER = '70001'
const FAST = { perSecond: 100_000, burst: 100_000 }
const HOUR = 3_600_000

/** The connection as the configuration would read it. */
export function connectionOf({ source }: SourceTest, vendor: SimulatedVendor, more: object = {}): Connection {
  const written = { id: 'tested', vendor: source.vendor, rateLimit: FAST, ...vendor.connection, ...more }
  const parsed = source.connection.safeParse(written)
  if (parsed.success) return parsed.data as Connection
  throw new AppError(`The connection of the simulated vendor is not valid: ${parsed.error.message}`, {
    code: 'config.invalid',
    intent: 'fix',
  })
}

export async function withBench(options: SourceTest, run: (bench: Bench) => Promise<void>): Promise<void> {
  const vendor = await options.open()
  try {
    const config = connectionOf(options, vendor)
    const clock = systemClock()
    const log = await createLog({ level: 'silent', format: 'json' })
    const [connected] = connectAll({ config: { connections: [config], sources: [options.source] }, clock, log })
    assert.ok(connected)
    const { source, close } = connected
    const tick = Math.max(source.feed.kind === 'window' ? source.feed.precisionMs : 1000, 1000)
    try {
      await run({ vendor, source, config, past: Math.floor((clock.now() - HOUR) / tick) * tick })
    } finally {
      await close()
    }
  } finally {
    await vendor.close()
  }
}

export const simulated = (number: number, updatedAt: number, facts: SimulatedOrder['facts'] = []): SimulatedOrder => ({
  orderId: String(91_000 + number),
  userId: BUYER,
  updatedAt,
  facts,
})

export const refOf = ({ source }: Bench, { orderId, userId }: SimulatedOrder): OrderRef => ({
  orderId,
  userId: source.asksForBuyer ? userId : null,
})

/** All pages of a window, or of the buyer where the vendor lists no windows. */
export async function listed(bench: Bench, window: Window): Promise<readonly FeedPage[]> {
  const { feed } = bench.source
  const pages: FeedPage[] = []
  const places = new Set<string>()
  let at: string | null = null
  do {
    const page: FeedPage =
      feed.kind === 'window' ? await feed.readPage(window, at, LIVE) : await feed.readUserPage(BUYER, at, LIVE)
    assertValid(page)
    pages.push(page)
    at = page.next
    assert.ok(at === null || !places.has(at), `page "${at}" is named a second time: reading on would never end`)
    if (at !== null) places.add(at)
  } while (at !== null)
  return pages
}

/** The row of one order as a page lists it, completed. */
export async function completed(bench: Bench, { orderId, updatedAt }: SimulatedOrder): Promise<OrderSnapshot> {
  const pages = await listed(bench, { from: updatedAt, to: updatedAt })
  const row = pages.flatMap(({ orders }) => orders).find(order => order.orderId === orderId)
  assert.ok(row, `order ${orderId} is not listed in the window of its update time`)
  const [order] = bench.source.complete ? await bench.source.complete([row], LIVE) : [row]
  assert.ok(order)
  assert.equal(order.orderId, orderId, '`complete` returned another order')
  return valid(order)
}

export async function fetched(bench: Bench, order: SimulatedOrder): Promise<OrderSnapshot> {
  const page = await bench.source.fetch([refOf(bench, order)], LIVE)
  assertValid(page)
  const [found] = page.orders
  assert.ok(found, `order ${order.orderId} is not found by itself; set aside: ${JSON.stringify(page.rejects)}`)
  assert.equal(found.orderId, order.orderId)
  return found
}

/** The types of the events that a first look at the order yields, sorted. */
export function eventTypes({ config }: Bench, snapshot: OrderSnapshot): readonly string[] {
  const observation = { connection: config.id, vendor: config.vendor, snapshot, observedAt: systemClock().now() }
  return [...new Set(decide(NEW_ORDER, observation).events.map(({ type }) => type))].sort()
}

const assertValid = ({ orders }: Page): void => orders.forEach(valid)

function valid(snapshot: OrderSnapshot): OrderSnapshot {
  const parsed = OrderSnapshot.strict().safeParse(snapshot)
  assert.ok(parsed.success, `order ${snapshot.orderId} is no valid snapshot: ${parsed.error?.message}`)
  return snapshot
}

/** The AppError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => assert.fail('it resolved, where the vendor failed'),
    (reason: unknown) => reason,
  )
  assert.ok(
    error instanceof AppError,
    `it rejected with ${String(error)}, where an AppError with an intent is expected`,
  )
  return error
}
