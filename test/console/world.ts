import { groupOf } from '../../src/console/groups.ts'
import type { Harness } from '../api/harness.ts'
import { NOW } from '../api/harness.ts'

/** What a vendor or a receiver may write: scripts, marks that turn text around, what no database holds, what is longer than any screen. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  '\u202egnp.exe\u202c',
  '\u0007\u001b[31mred\u009b',
  'W'.repeat(4096),
  '{{constructor.constructor("alert(1)")()}}',
].join(' ')

/** An order whose every free text is hostile, told to `billing`, which failed, gave up and answered in kind; and a healthy one. */
export async function fillWorld({ store, call, seed }: Harness, hostile = HOSTILE) {
  const orderId = `h-1 ${hostile}`.slice(0, 240)
  const url = 'https://hooks.example/billing'
  await call('POST', '/v1/endpoints', { body: { id: 'billing', url, description: '<b>"night & day"</b>' } })
  const events = await seed('shop', orderId, {
    orderNumber: `n-1 ${hostile}`.slice(0, 240),
    status: hostile,
    lines: [{ id: hostile, sku: hostile, title: hostile, quantity: 1, price: '1.00' }],
    cancelled: { when: null, reason: hostile },
    doubts: [{ path: `refund ${hostile}`, value: JSON.stringify(hostile).slice(0, 200), reason: hostile }],
  })
  const calm = await seed('shop', 'calm-1', { orderNumber: '1005' })
  const [first, second, third] = events
  const [paid] = calm
  if (!first || !second || !third || !paid) throw new Error('the order proves too little')
  const lane = { nextAt: NOW + 60_000, attempt: 1 }
  for (const event of [...events, paid])
    await store.lanes.spill([{ destination: 'billing', event, origin: 'live' }], lane)
  const attempt = (event: typeof first, at: number, outcome: 'delivered' | 'retry' | 'dead') => ({
    ...{ destination: 'billing', eventId: event.id, orderKey: event.orderKey, attempt: 1, at, outcome, ms: 12 },
    ...{ statusCode: outcome === 'delivered' ? 204 : 500, error: outcome === 'delivered' ? null : hostile },
    ...{ response: outcome === 'delivered' ? null : `${hostile}\nsecond line`, origin: 'live' as const },
  })
  await store.deliveries.record([
    attempt(second, NOW - 9_000, 'delivered'),
    attempt(paid, NOW - 8_000, 'retry'),
    attempt(third, NOW - 7_000, 'retry'),
    attempt(first, NOW - 5_000, 'dead'),
  ])
  await store.lanes.deadLetter({
    ...{ destination: 'billing', orderKey: first.orderKey, eventId: first.id, at: NOW - 5_000 },
    ...{ attempts: 3, lastError: hostile, hold: false },
  })
  const [letter] = await store.deadLetters.list({}, { limit: 1 })
  const [entry] = await store.quarantine.list({}, { limit: 1 })
  return { orderId, first, paid, letter: letter?.id ?? '', entry: entry?.id ?? '', error: hostile }
}

export type Filled = Awaited<ReturnType<typeof fillWorld>>

/** Every page there is, of that world, by name. */
export const PAGES: Readonly<Record<string, (world: Filled) => string>> = {
  overview: () => '/',
  'overview of a day': () => '/?span=24h',
  orders: () => '/orders',
  'a hostile order': ({ orderId }) => `/orders/shop/${encodeURIComponent(orderId)}`,
  'an order': () => '/orders/shop/calm-1',
  events: () => '/events',
  'an event': ({ first }) => `/events/${first.id}`,
  connections: () => '/connections',
  'a connection': () => '/connections/shop',
  destinations: () => '/destinations',
  'a new endpoint': () => '/destinations/new',
  'an endpoint': () => '/destinations/billing',
  'a replay': () => '/destinations/billing?replay=1&types=order.paid',
  'a filter': () => '/destinations/billing?filter=%7B%22data.order.currency%22%3A%5B%22USD%22%5D%7D',
  'a handler': () => '/destinations/audit',
  'dead letters': () => '/dead-letters',
  'a group of dead letters': ({ error }) => `/dead-letters?destination=billing&group=${groupOf(error)}`,
  'a dead letter': ({ letter }) => `/dead-letters/${encodeURIComponent(letter)}`,
  quarantine: () => '/quarantine',
  catalogue: () => '/catalogue',
  settings: () => '/settings',
  search: () => '/search?q=nothing-like-this',
}

export const pagesOf = (world: Filled): string[] => Object.values(PAGES).map(pathOf => pathOf(world))
