import { expect, test } from 'vitest'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { KAKACLO_TOKEN } from '../../src/sandbox/kakaclo.ts'
import { SANDBOX_BUYERS } from '../../src/sandbox/lapse.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN } from '../../src/sandbox/shoplazza.ts'
import { TUYA_CLIENT_ID, TUYA_CLIENT_SECRET, TUYA_MALL, TUYA_SHOP } from '../../src/sandbox/tuya.ts'
import { createKakaclo } from '../../src/sources/kakaclo/kakaclo.ts'
import { createVendorHttp, type VendorHttp } from '../../src/sources/shared/http.ts'
import { createShoplazza } from '../../src/sources/shoplazza/shoplazza.ts'
import type { FeedPage, OrderSource, ReadOptions } from '../../src/sources/source.ts'
import { createTuya } from '../../src/sources/tuya/tuya.ts'
import { closeAfterTest } from '../sources/loopback.ts'
import { quietShop, standingClock } from './quiet-shop.ts'

const ASK: ReadOptions = { signal: new AbortController().signal, priority: 'live' }
const SECOND = 1000

type Make = (shop: Sandbox, http: (path: string) => VendorHttp) => OrderSource

const kakaclo =
  (apiVersion: 'v1' | 'v2'): Make =>
  (_, http) =>
    createKakaclo({ connection: { apiVersion, token: KAKACLO_TOKEN, currency: 'USD' }, http: http('/kakaclo/openapi') })

const shoplazza =
  (version: string): Make =>
  (shop, http) => {
    const path = `/shoplazza/openapi/${version}`
    const connection = { baseUrl: shop.url + path, accessToken: SHOPLAZZA_TOKEN, apiVersion: undefined }
    return createShoplazza({ connection, http: http(path) })
  }

const tuya: Make = (_, http) =>
  createTuya({
    connection: {
      clientId: TUYA_CLIENT_ID,
      clientSecret: TUYA_CLIENT_SECRET,
      mallCode: TUYA_MALL,
      shopCode: TUYA_SHOP,
      statuses: { paid: [], shipped: [], delivered: ['received'], refunded: [] },
    },
    http: http('/tuya'),
    clock: systemClock(),
  })

async function readAll(source: OrderSource, now: number): Promise<readonly FeedPage[]> {
  const { feed } = source
  const lists =
    feed.kind === 'window'
      ? [(page: string | null) => feed.readPage({ from: now - 120 * SECOND, to: now }, page, ASK)]
      : SANDBOX_BUYERS.map(user => (page: string | null) => feed.readUserPage(user, page, ASK))
  const pages: FeedPage[] = []
  for (const list of lists)
    for (let next: string | null = null, first = true; first || next !== null; first = false) {
      const page: FeedPage = await list(next)
      pages.push(page)
      next = page.next
    }
  return pages
}

/** What a snapshot proves, by name. */
function proofs({ paid, packages, delivered, cancelled, refund }: OrderSnapshot): string[] {
  const records = typeof refund?.records === 'object' ? refund.records.map(({ refundId }) => `refund ${refundId}`) : []
  const parcels = packages.flatMap(({ packageId, trackingNumber, shipped, delivered: arrived }) => [
    ...(shipped ? [`shipped ${packageId ?? trackingNumber}`] : []),
    ...(arrived ? [`arrived ${packageId ?? trackingNumber}`] : []),
  ])
  return [
    ...(paid ? ['paid'] : []),
    ...parcels,
    ...(delivered ? ['delivered'] : []),
    ...(cancelled ? ['cancelled'] : []),
    ...records,
  ]
}

test.each([
  ['Kakaclo v1', kakaclo('v1'), ['paid', 'shipped', 'delivered', 'cancelled']],
  ['Kakaclo v2', kakaclo('v2'), ['paid', 'shipped', 'arrived', 'delivered', 'cancelled']],
  ['Shoplazza 2022-01', shoplazza('2022-01'), ['paid', 'shipped', 'arrived', 'cancelled', 'refund']],
  ['Shoplazza 2025-06', shoplazza('2025-06'), ['paid', 'shipped', 'arrived', 'cancelled', 'refund']],
  ['Tuya', tuya, ['paid', 'shipped', 'delivered', 'cancelled']],
] as const)(
  '%s: the shop in time-lapse is understood without a doubt, and takes nothing back',
  async (_, make, kinds) => {
    const clock = standingClock()
    const shop = await quietShop({ lapse: true, clock, seed: 11 })
    const source = make(shop, path => {
      const options = {
        connection: 'c',
        baseUrl: shop.url + path,
        limit: { perSecond: 1e4, burst: 1e4 },
        clock: systemClock(),
      }
      const http = createVendorHttp(options)
      closeAfterTest(() => http.close())
      return http
    })
    const known = new Map<string, readonly string[]>()
    for (let round = 0; round < 60; round += 1) {
      clock.move(20 * SECOND)
      for (const page of await readAll(source, clock.now())) {
        expect(page.rejects).toEqual([])
        for (const order of (await source.complete?.(page.orders, ASK)) ?? page.orders) {
          expect(order.doubts).toEqual([])
          const now = proofs(order)
          expect(now).toEqual(expect.arrayContaining([...(known.get(order.orderId) ?? [])]))
          known.set(order.orderId, now)
        }
      }
    }
    const seen = new Set([...known.values()].flat().map(proof => proof.split(' ')[0] ?? ''))
    expect([...seen].sort()).toEqual([...kinds].sort())
    expect(known.size).toBeGreaterThan(60)
  },
)
