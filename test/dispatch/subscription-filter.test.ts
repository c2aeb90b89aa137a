import { describe, expect, test } from 'vitest'
import { EndpointFilter } from '../../schemas/endpoint.ts'
import { compileFilter } from '../../src/dispatch/subscription-filter.ts'
import { createSubscriptions } from '../../src/dispatch/subscriptions.ts'
import { createRig, event, outcome } from './rig.ts'

const paid = (own: Record<string, unknown> = {}) => ({
  data: {
    connection: 'shop',
    order: { currency: 'EUR', total: '100.10' },
    payment: { amount: '19.99', method: null },
    ...own,
  },
})
const matches = (filter: unknown, body: unknown = paid()) => compileFilter(EndpointFilter.parse(filter))(body)

describe('a filter', () => {
  test.each([
    [{ 'data.order.currency': ['USD', 'EUR'] }, true],
    [{ 'data.order.currency': ['USD'] }, false],
    [{ 'data.order.currency': ['EUR'], 'data.connection': ['kk'] }, false],
    [{ 'data.payment': { exists: true } }, true],
    [{ 'data.shipment': { exists: true } }, false],
    [{ 'data.shipment.carrier': { exists: false } }, true],
    [{ 'data.payment.method': { exists: true } }, false],
    [{ 'data.payment.amount': { gte: '19.99', lte: '19.99' } }, true],
    [{ 'data.payment.amount': { gte: '19.990000001' } }, false],
    [{ 'data.payment.amount': { gte: '9.999', lte: 20 } }, true],
    [{ 'data.order.total': { gte: '99.99' } }, true],
    [{ 'data.order.total': { lte: '100.09' } }, false],
    [{ 'data.order.total': { gte: '-5' } }, true],
    [{ 'data.payment.method': { gte: '0' } }, false],
    [{ 'data.order.currency': { gte: '0' } }, false],
  ])('%j of a paid order in EUR: %s', (filter, expected) => {
    expect(matches(filter)).toBe(expected)
  })

  test('compares exactly where floats would not', () => {
    const body = paid({ payment: { amount: '9007199254740993.01' } })
    expect(matches({ 'data.payment.amount': { gte: '900719925474099.3' } }, body)).toBe(true)
    expect(
      matches({ 'data.payment.amount': { lte: '0.3' } }, paid({ payment: { amount: '0.30000000000000001' } })),
    ).toBe(false)
  })

  test('sees own members only, and goes into nothing that is no object', () => {
    for (const body of [
      null,
      5,
      'x',
      [],
      { data: 'text' },
      { data: null },
      Object.create({ data: { connection: 'shop' } }),
    ])
      expect(matches({ 'data.connection': ['shop'] }, body)).toBe(false)
  })
})

test('a body is parsed once, however many filters look at it, and not at all without one', () => {
  const destination = (id: string, wanted: boolean | null) => ({
    destination: { id, types: null, connections: null, matches: wanted === null ? null : () => wanted } as never,
  })
  const routes = createSubscriptions()
  const one = event('a')
  let reads = 0
  const counted = Object.defineProperty({ ...one }, 'body', {
    get() {
      reads++
      return one.body
    },
  })
  routes.set([destination('all', null)])
  expect(routes.subscribersOf(counted)).toHaveLength(1)
  expect(reads).toBe(0)
  routes.set([destination('all', null), destination('yes', true), destination('no', false), destination('yes2', true)])
  expect(routes.subscribersOf(counted)).toHaveLength(3)
  expect(routes.subscribersOf(counted)).toHaveLength(3)
  expect(reads).toBe(1)
})

test('an event that does not match is not delivered, live or replayed, and its offset is still committed', async () => {
  const rig = createRig()
  rig.destination('hook')
  rig.set('hook', { matches: compileFilter(EndpointFilter.parse({ 'data.orderId': ['a'] })) })
  const dispatcher = await rig.start()
  await rig.publish(event('a', 1), event('b', 1), event('a', 2))
  await rig.clock.until(rig.quiet)
  expect(rig.trace('hook')).toEqual(['a:1', 'a:2'])
  expect(await dispatcher.replay('hook', {})).toBe(2)
  await rig.clock.until(rig.quiet)
  expect(rig.trace('hook')).toEqual(['a:1', 'a:2', 'a:1', 'a:2'])
})

test('a rate limit is shared by the partitions: who owns a quarter of them sends a quarter', async () => {
  const rig = createRig({ embedded: false, partitions: 4, delivery: { rateLimit: { perSecond: 8, burst: 8 } } })
  rig.destination('hook', () => outcome('delivered'))
  await rig.start()
  await rig.log.revoke([1, 2, 3])
  const orders = Array.from({ length: 400 }, (_, index) => `o${index}`)
  const mine = orders.filter(order => rig.log.partitionOf(`shop/${order}`) === 0).slice(0, 40)
  await rig.publish(...mine.map(order => event(order)))
  await rig.clock.advance(10_000)
  expect(rig.sends.length).toBeGreaterThanOrEqual(20)
  expect(rig.sends.length).toBeLessThanOrEqual(2 + 20 + 1)
})
