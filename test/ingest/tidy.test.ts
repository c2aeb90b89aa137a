import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tidySnapshot } from '../../src/ingest/tidy-snapshot.ts'
import { type FeedScript, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid, parcel, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { history, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const WISH = 'call +1 555 123 4567 or jane@example.com'
const personal = {
  paid: { ...(paid() as NonNullable<ReturnType<typeof paid>>), method: 'wallet of jane@example.com' },
  packages: [parcel('p-1', { trackingUrl: 'javascript:alert(1)' })],
  refund: { ...refundTotal('5.00', { reason: WISH }), records: [{ ...refundRecord('r-1', '5.00'), reason: WISH }] },
  cancelled: { when: null, reason: WISH },
}

describe('what a source reads', () => {
  test('is stored and published without mail addresses, phone numbers and invalid links, whatever the source', async () => {
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, ...personal })) }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    const events = await history()
    expect(events.map(({ type }) => type)).toEqual(['order.paid', 'order.shipped', 'order.refunded', 'order.cancelled'])
    expect(events.flatMap(event => (event.type === 'order.cancelled' ? [event.data.cancellation.reason] : []))).toEqual(
      ['call [phone] or [email]'],
    )
    const kept = JSON.stringify([events, await store.orders.get('shop', 'o-1')])
    expect(kept).not.toMatch(/jane|555|javascript/)
  })

  test('loses its reasons if the connection wants none', async () => {
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, ...personal })) }
    const { ingest } = await scene({ script, reasons: false })
    await ingest.poll('shop', { signal })
    const reasons = (await history()).flatMap(event =>
      event.type === 'order.cancelled'
        ? [event.data.cancellation.reason]
        : event.type === 'order.refunded'
          ? [event.data.refund.reason]
          : [],
    )
    expect(reasons).toEqual([null, null])
    expect(JSON.stringify(await store.orders.get('shop', 'o-1'))).not.toContain('call')
  })

  test('is the very same snapshot if there was nothing to tidy', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(WISH, 'damaged', ' two  spaces ', 'a\u0007b', ''))
    const link = fc.oneof(fc.webUrl(), text, fc.constantFrom('javascript:alert(1)', 'HTTP://Track.example'))
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
    const anyOne = fc.record({
      method: maybe(text),
      reason: maybe(text),
      links: fc.array(maybe(link)),
      reasons: fc.boolean(),
    })
    fc.assert(
      fc.property(anyOne, ({ method, reason, links, reasons }) => {
        const given = snapshot({
          paid: { ...personal.paid, method },
          packages: links.map((trackingUrl, at) => parcel(`p-${at}`, { trackingUrl })),
          refund: { ...refundTotal('5.00', { reason }), records: [{ ...refundRecord('r-1', '5.00'), reason }] },
          cancelled: { when: null, reason },
        })
        const before = JSON.stringify(given)
        const tidy = tidySnapshot(given, { reasons })
        expect(JSON.stringify(given)).toBe(before)
        expect(tidy === given).toBe(JSON.stringify(tidy) === before)
        expect(tidySnapshot(tidy, { reasons })).toBe(tidy)
      }),
    )
  })

  test('is otherwise unchanged', () => {
    const plain = snapshot({
      paid: paid(),
      packages: [parcel('p-1', { trackingUrl: 'https://track.example/1' })],
      refund: refundTotal('5.00', { reason: 'damaged' }),
      cancelled: { when: null, reason: 'changed my mind' },
    })
    expect(tidySnapshot(plain, { reasons: true })).toEqual(plain)
  })
})
