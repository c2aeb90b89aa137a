import { describe, expect, test } from 'vitest'
import type { OrderSnapshot, Package } from '../../schemas/order.ts'
import type { OrderEvent } from '../../schemas/order-event.ts'
import { decide } from '../../src/order/decide.ts'
import type { OrderState } from '../../src/order/state.ts'
import { isTrackingForgotten, recallTracking } from '../../src/order/tracking.ts'
import { gist, OBSERVED_AT, observer } from '../helpers/decided.ts'
import { paid, parcel, refundTotal, snapshot } from '../helpers/snapshots.ts'

const gists = (events: readonly OrderEvent[]) => events.map(gist)
const shipped = (carrier: string | null, trackingNumber: string | null, own: Partial<Package> = {}) =>
  parcel('p-1', { carrier, trackingNumber, ...own })
const order = (...packages: Package[]) => snapshot({ packages })

describe('an update of a shipment', () => {
  test('case 21: publishes a tracking number that comes later, with the shipment as in the shipped event', () => {
    const seen = observer()
    seen.see(order(shipped(null, null)))
    const lines = [{ id: 'l-1', quantity: 2 }]
    const trackingUrl = 'https://track.example/T1'
    const { events } = seen.see(order(shipped('UPS', 'T1', { lines, trackingUrl })))
    expect(events).toMatchObject([
      {
        type: 'order.shipment_updated',
        sequence: '0000000002',
        data: {
          shipment: { packageId: 'p-1', carrier: 'UPS', trackingNumber: 'T1', trackingUrl, lines },
          occurredAt: '2026-03-02T10:00:00.000Z',
          occurredAtSource: 'updated',
        },
      },
    ])
  })

  test('case 21: is one event per distinct pair of carrier and number, and an earlier pair yields nothing', () => {
    const seen = observer()
    for (const [carrier, number] of [
      ['UPS', 'T1'],
      ['UPS', 'T2'],
      ['DHL', 'T2'],
      ['UPS', 'T2'],
      ['UPS', 'T1'],
      ['DHL', 'T1'],
      ['DHL', 'T1'],
    ] as const)
      seen.see(order(shipped(carrier, number)))
    expect(gists(seen.all)).toEqual([
      'shipped p-1',
      'shipment_updated p-1 UPS/T2',
      'shipment_updated p-1 DHL/T2',
      'shipment_updated p-1 DHL/T1',
    ])
    expect(new Set(seen.all.map(({ id }) => id)).size).toBe(4)
  })

  test('has an id that depends on connection, order, package and pair only', () => {
    const direct = observer()
    direct.see(order(shipped('UPS', 'T1')))
    const detour = observer()
    detour.see(snapshot({ paid: paid(), packages: [shipped(null, null)] }))
    detour.see(order(shipped('UPS', null)))
    const [wanted] = direct.see(order(shipped('DHL', 'T9'))).events
    const [found] = detour.see(order(shipped('DHL', 'T9')), OBSERVED_AT + 60_000).events
    expect(found?.id).toBe(wanted?.id)
    const elsewhere = observer('kk')
    elsewhere.see(order(shipped('UPS', 'T1')))
    expect(elsewhere.see(order(shipped('DHL', 'T9'))).events[0]?.id).not.toBe(wanted?.id)
  })

  test('is not made for a carrier or number that is gone', () => {
    const seen = observer()
    for (const [carrier, number] of [
      ['UPS', 'T1'],
      [null, 'T1'],
      ['UPS', null],
      [null, null],
    ] as const)
      seen.see(order(shipped(carrier, number)))
    expect(gists(seen.all)).toEqual(['shipped p-1'])
  })

  test('is not made for packages without an id, nor before the package was published', () => {
    const seen = observer()
    seen.see(order(parcel(null, { trackingNumber: 'A' }), shipped('UPS', 'T1', { shipped: null })))
    seen.see(order(parcel(null, { trackingNumber: 'B' }), shipped('UPS', 'T2', { shipped: null })))
    seen.see(order(shipped('UPS', 'T2')))
    expect(gists(seen.all)).toEqual(['shipped A', 'shipped p-1'])
  })

  test('stands behind shipped and before delivered, refunded and cancelled', () => {
    const seen = observer()
    seen.see(order(shipped('UPS', 'T1')))
    seen.see(
      snapshot({
        paid: paid(),
        packages: [shipped('UPS', 'T2', { delivered: { when: null } }), parcel('p-2')],
        refund: refundTotal('5.00'),
        cancelled: { when: null, reason: null },
      }),
    )
    expect(gists(seen.all)).toEqual([
      'shipped p-1',
      'paid 20.00',
      'shipped p-2',
      'shipment_updated p-1 UPS/T2',
      'delivered p-1',
      'refunded 5.00',
      'cancelled',
    ])
  })

  test('is not made from an older copy of the order, which would come after its replacement', () => {
    const seen = observer()
    const at = (updatedAt: string, number: string) =>
      seen.see(snapshot({ updatedAt, packages: [shipped('UPS', number)] }))
    at('2026-03-02T10:00:09.000Z', 'T2')
    at('2026-03-02T10:00:00.000Z', 'T1')
    at('2026-03-02T10:00:20.000Z', 'T3')
    expect(gists(seen.all)).toEqual(['shipped p-1', 'shipment_updated p-1 UPS/T3'])
  })

  test('keeps packages apart whose ids look alike', () => {
    const seen = observer()
    const both = (first: string, second: string) =>
      seen.see(order(parcel('p/1', { trackingNumber: first }), parcel('p', { trackingNumber: second })))
    both('T1', 'T2')
    both('T2', 'T2')
    both('T2', 'T1')
    expect(gists(seen.all)).toEqual([
      'shipped p/1',
      'shipped p',
      'shipment_updated p/1 UPS/T2',
      'shipment_updated p UPS/T1',
    ])
  })
})

describe('an order that version 1.0 published', () => {
  /** What version 1.0 kept of an order whose shipped event said UPS/T1. */
  function upgraded() {
    const seen = observer()
    seen.see(snapshot({ paid: paid(), packages: [shipped('UPS', 'T1'), parcel('p-2')] }))
    const { trackingSaid: _, trackingAt: __, ...state } = seen.state()
    return { state: state as OrderState, events: seen.all }
  }
  const see = (state: OrderState, shown: OrderSnapshot) =>
    decide(state, { connection: 'shop', vendor: 'shoplazza', snapshot: shown, observedAt: OBSERVED_AT })

  test('recalls the pairs from its shipped events: an unchanged pair yields nothing, a changed one is published once', () => {
    const { state, events } = upgraded()
    const same = order(shipped('UPS', 'T1'), parcel('p-2'))
    expect(isTrackingForgotten(state, same)).toBe(true)
    const recalled = recallTracking(state, events, undefined)
    expect(isTrackingForgotten(recalled, same)).toBe(false)
    expect(see(recalled, same).events).toEqual([])
    const changed = see(recalled, order(shipped('UPS', 'T2'), parcel('p-2')))
    expect(changed.events.map(({ type }) => type)).toEqual(['order.shipment_updated'])
    expect(see(changed.state, order(shipped('UPS', 'T2'), parcel('p-2'))).events).toEqual([])
  })

  test('recalls the pairs from its last snapshot if retention has removed the events', () => {
    const { state } = upgraded()
    const recalled = recallTracking(state, [], order(shipped('UPS', 'T1'), parcel('p-2')))
    expect(see(recalled, order(shipped('UPS', 'T1'))).events).toEqual([])
    expect(see(recalled, order(shipped('UPS', 'T2'))).events).toHaveLength(1)
  })

  test('takes the pair it sees next as published if neither is left', () => {
    const { state } = upgraded()
    const recalled = recallTracking(state, [], undefined)
    const first = see(recalled, order(shipped('DHL', 'T9')))
    expect(first.events).toEqual([])
    expect(see(first.state, order(shipped('DHL', 'T10'))).events).toHaveLength(1)
  })
})
