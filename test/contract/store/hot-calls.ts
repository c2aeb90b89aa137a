import type { Lease } from '../../../src/store/port/leases.ts'
import type { Store } from '../../../src/store/store.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { attemptRow, NOW, order, page, remember, spilled } from './world.ts'

const read = { connection: 'shop', userId: null, announced: true, seen: '' }

/** Enough rows that reading all of a table would be a mistake. */
export async function fill(store: Store, lease: Lease): Promise<void> {
  const events = Array.from({ length: 4000 }, (_, index) =>
    eventRecord({ orderId: `o${index}`, observedAt: NOW + index, type: index % 2 ? 'order.paid' : 'order.shipped' }),
  )
  const orders = events.map(({ orderId }, index) =>
    order(orderId, { recheckAt: index % 50 === 0 ? NOW + index : null }),
  )
  await store.orders.commit(lease, page({ orders }))
  await remember(store, events)
  await store.lanes.spill(spilled('billing', events.slice(0, 2000)), { nextAt: NOW, attempt: 0 })
  await store.lanes.spill(spilled('search', events.slice(2000)), { nextAt: NOW + 1e9, attempt: 0 })
  await store.deliveries.record(events.map(event => attemptRow(event)))
  for (let index = 0; index < 2000; index++)
    await store.follows.put('shop', 'order', `o${index}`, null, NOW + (index % 10 ? 1e9 : 0))
  for (let index = 0; index < 2000; index++)
    await store.orderReads.ask({ ...read, orderId: `o${index}`, askedAt: NOW + (index % 10 ? 1e9 : index) })
}

/**
 * Everything that is called again and again: by polls that find nothing, by delivery, by a drain. What these touch must not grow with
 * what is stored.
 */
export async function callHot(store: Store, lease: Lease): Promise<void> {
  const ids = ['o1', 'o2', 'o3999', 'unknown']
  const events = ids.slice(0, 3).map(orderId => eventRecord({ orderId }))
  const [event] = events
  if (!event) throw new Error('there are events')

  await store.leases.acquire(lease.name, lease.owner, 60_000, NOW)
  await store.leases.renew(lease, 60_000, NOW)
  await store.connections.get('shop')
  await store.connections.update(lease, 'shop', { cursor: NOW, nextPollAt: NOW })
  await store.orders.digests('shop', ids)
  await store.orders.load('shop', ids)
  await store.orders.get('shop', 'o1')
  await store.orders.due('shop', NOW + 100, 10)
  const quarantine = [{ orderId: 'o1', entries: [{ path: 'a', value: 'v', reason: 'r' }], at: NOW }]
  await store.orders.commit(
    lease,
    page({ orders: [order('o1')], events: [eventRecord({ orderId: 'new' })], quarantine }),
  )
  await store.follows.due('shop', NOW, 10)
  await store.orderReads.due(['shop', 'kk'], NOW - 1)
  const reads = await store.orderReads.upcoming('shop', 3)
  await store.orderReads.ask({ ...read, orderId: 'o1', askedAt: NOW })
  await store.orderReads.settle(
    lease,
    reads.map((one, at) => ({ ...one, next: at === 0 ? null : NOW })),
  )
  await store.backfills.waiting(['shop', 'kk'])
  await store.backfills.next('shop')
  await store.reconciliations.get('shop')
  const follows = await store.follows.due('shop', NOW, 3)
  await store.follows.reschedule(
    lease,
    follows.map(follow => ({ ...follow, next: follow.nextAt })),
  )
  await store.orders.postpone(lease, 'shop', [{ orderId: 'o50', userId: null, recheckAt: NOW + 50, next: NOW + 51 }])

  await store.events.unpublished('shop', 100)
  await store.events.unpublished('shop', 100, { after: 5 })
  await store.events.unpublished('shop', 100, { after: 5, orderIds: ['o1', 'o2'] })
  await store.events.replaceUnpublished(lease, await store.events.last(), '{}')
  const last = await store.events.last()
  await store.events.markPublished(lease, 'shop', [last])
  await store.events.list({}, { limit: 500, after: last - 5 })
  await store.events.list({ types: ['order.paid'] }, { limit: 10, after: 0 })
  await store.events.list({ types: ['order.paid', 'order.refunded'], connections: ['shop', 'kk'] }, { limit: 10 })
  await store.events.list({ orderId: 'o7' }, { limit: 10 })
  await store.events.list({ since: NOW + 3990 }, { limit: 10 })
  await store.events.list({ until: NOW + 10 }, { limit: 10, newest: true })
  await store.events.get(event.id)
  await store.events.ofOrder('shop', 'o1')

  await store.offsets.get('g', 0)
  await store.offsets.set('g', 0, 5)
  await store.lanes.existing(
    'billing',
    events.map(item => item.orderKey),
  )
  const owned = { partitions: 12, of: new Set([1, 2]) }
  await store.lanes.due({ destination: 'search', now: NOW, limit: 10, owned, skip: new Set(['x']) })
  await store.lanes.nextDue(['billing', 'search', 'none'])
  await store.lanes.head('billing', event.orderKey, 10)
  await store.lanes.spill(
    spilled('billing', events),
    { nextAt: NOW, attempt: 1 },
    { retry: { destination: 'billing', orderKey: event.orderKey }, leases: [lease] },
  )
  const giveUp = (eventId: string, orderKey: string, hold: boolean) =>
    store.lanes.deadLetter({ destination: 'billing', orderKey, eventId, at: NOW, attempts: 1, lastError: 'x', hold })
  for (const item of events) await giveUp(item.id, item.orderKey, item === event)
  await store.lanes.reschedule(
    await store.lanes.due({ destination: 'billing', now: NOW, limit: 3, owned: null, skip: new Set() }),
  )
  await store.lanes.delivered('billing', [{ orderKey: 'shop/o9', eventIds: [eventRecord({ orderId: 'o9' }).id] }], NOW)
  await store.deadLetters.list({ destination: 'billing' }, { limit: 10 })
  await store.deliveries.record([attemptRow(event)])
  await store.deliveries.get('billing', event.id)
  await store.deliveries.latest('billing', 100)
  await store.deliveries.latest('billing', 100, await store.deliveries.last())
  await store.deliveries.behind(0, 100)
  await store.lanes.nextDueOfEach(['billing', 'search', 'none'])
  await store.deliveries.recent('billing', 100)
  await store.deliveries.acknowledged(100)
  await store.events.rates({ since: NOW + 3990, until: NOW + 4000, bucketMs: 60_000 })
  await store.sessions.get('none')
  await store.sessions.seen('none', NOW)
  await store.sessions.removeOf('none')
  await store.sessions.prune(NOW)
  await store.alerts.health('billing', 0)
  for (const [destination, n] of await store.alerts.newestLetters()) await store.alerts.lettersAfter(destination, n - 1)
  await store.prune(
    { events: NOW + 3999, attempts: NOW + 1, deadLetters: NOW + 1, reader: null, now: NOW },
    new AbortController().signal,
  )
}

/** What the pages of the console and the lists of the API ask, again and again while somebody looks. */
export async function callPages(store: Store): Promise<void> {
  const page = { limit: 20 }
  for (const filter of [
    {},
    { destination: 'billing' },
    { orderId: 'o7' },
    { destination: 'billing', orderId: 'o7' },
    { types: ['order.refunded' as const], answer: '5xx' as const },
    { destination: 'billing', since: NOW - 1, until: NOW + 5 },
  ])
    await store.deliveries.list(filter, page)
  await store.orders.find({ text: 'o1' }, page)
  await store.orders.find({ connection: 'shop' }, page)
  await store.events.count({ connections: ['shop'], since: NOW + 3990 })
  await store.events.list({ connections: ['shop'] }, { ...page, newest: true })
  await store.quarantine.list({ connection: 'shop' }, page)
  await store.quarantine.list({ connection: 'shop', orderId: 'o7' }, page)
  await store.deadLetters.list({}, page)
  await store.deadLetters.list({ destination: 'billing', error: 'x' }, page)
  await store.deadLetters.count({ destination: 'billing', error: 'x' })
  await store.deadLetters.groups(NOW - 1, 10)
  await store.verify.unpublished()
}
