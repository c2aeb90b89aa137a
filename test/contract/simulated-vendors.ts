import { createHmac } from 'node:crypto'
import type { SimulatedFailure, SimulatedOrder, SimulatedVendor } from 'orderwire/testing'
import { systemClock } from '../../src/lib/clock.ts'
import type { Desk } from '../../src/sandbox/desk.ts'
import { KAKACLO_TOKEN } from '../../src/sandbox/kakaclo.ts'
import { createLife, type Life } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { kakacloV1, kakacloV2, shoplazzaOrder, shoplazzaRefunds, tuyaOrder } from '../../src/sandbox/rows.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN, SHOPLAZZA_WEBHOOK_SECRET } from '../../src/sandbox/shoplazza.ts'
import { TUYA_CLIENT_ID, TUYA_CLIENT_SECRET, TUYA_MALL, TUYA_SHOP } from '../../src/sandbox/tuya.ts'
import { startWooCommerce } from '../helpers/woocommerce.ts'
import { exampleConnection, fixture } from '../sources/rest/example.ts'

/** The simulated vendors of the sandbox, and a WooCommerce shop, as the contract suite of sources wants them. */

/** The life of an order to which just these facts happened, a minute before it was updated. */
function lifeOf({ orderId, userId, updatedAt, facts }: SimulatedOrder): Life {
  const birth = { id: orderId, number: orderId, at: updatedAt - 60_000, buyer: userId, dollars: true }
  const life = createLife(createRandom(1), birth)
  const has = (fact: SimulatedOrder['facts'][number]) => facts.includes(fact)
  life.updatedAt = updatedAt
  if (has('paid')) life.paidAt = updatedAt
  if (has('cancelled')) life.cancelledAt = updatedAt
  if (has('shipped'))
    life.packages.push({
      ...{ id: `${orderId}1`, carrier: 'UPS', trackingNumber: `T${orderId}`, lines: life.lines },
      ...{ createdAt: updatedAt, updatedAt, state: has('delivered') ? 'finished' : 'shipped' },
    })
  if (has('refunded'))
    life.refunds.push({ id: `${orderId}2`, amount: life.total, createdAt: updatedAt, updatedAt, state: 'finished' })
  return life
}

/** Every request meets the failure until the vendor is well again. */
function failWith(desk: Desk, failure: SimulatedFailure | null): void {
  desk.faults.clear()
  if (failure === null) return
  const answer = failure === 'not-json' ? { status: 200, body: '<html>' } : { body: {}, ...failure }
  desk.faults.add({ ...answer, times: Number.MAX_SAFE_INTEGER })
}

const quiet = () => createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })

async function sandboxed(vendor: 'kakaclo' | 'tuya' | 'shoplazza', of: (shop: Sandbox) => Partial<SimulatedVendor>) {
  const shop = await quiet()
  const own = of(shop)
  return {
    fail: (failure: SimulatedFailure | null) => failWith(shop[vendor], failure),
    close: () => shop.close(),
    ...own,
  } as SimulatedVendor
}

export const kakaclo = (apiVersion: 'v1' | 'v2') => () =>
  sandboxed('kakaclo', shop => ({
    connection: { baseUrl: `${shop.url}/kakaclo/openapi`, apiVersion, token: KAKACLO_TOKEN },
    put(order) {
      const life = lifeOf(order)
      shop.kakaclo.put(order.orderId, kakacloV2(life), { other: kakacloV1(life) })
    },
  }))

export const tuya = () =>
  sandboxed('tuya', shop => ({
    connection: {
      ...{ baseUrl: `${shop.url}/tuya`, clientId: TUYA_CLIENT_ID, clientSecret: TUYA_CLIENT_SECRET },
      ...{ mallCode: TUYA_MALL, shopCode: TUYA_SHOP, statuses: { delivered: ['received'] } },
    },
    put: order => shop.tuya.put(order.orderId, tuyaOrder(lifeOf(order)), { owner: order.userId }),
    putUnreadable: ({ orderId, userId }) =>
      shop.tuya.put(
        orderId,
        { ...tuyaOrder(lifeOf({ orderId, userId, updatedAt: 0, facts: [] })), order_id: {} },
        { owner: userId },
      ),
  }))

export const shoplazza = (version: '2022-01' | '2025-06') => () =>
  sandboxed('shoplazza', shop => ({
    connection: {
      baseUrl: `${shop.url}/shoplazza/openapi/${version}`,
      accessToken: SHOPLAZZA_TOKEN,
      webhookSecret: SHOPLAZZA_WEBHOOK_SECRET,
    },
    put(order) {
      const life = lifeOf(order)
      shop.shoplazza.put(order.orderId, shoplazzaOrder(life, '2022-01'), { other: shoplazzaOrder(life, '2025-06') })
      if (life.refunds.length > 0)
        shop.shoplazza.putRefunds(order.orderId, shoplazzaRefunds(life, '2022-01'), shoplazzaRefunds(life, '2025-06'))
    },
    webhook({ orderId }) {
      const body = JSON.stringify({ id: orderId })
      const signature = createHmac('sha256', SHOPLAZZA_WEBHOOK_SECRET).update(body).digest('base64')
      return { body, headers: { 'X-Shoplazza-Hmac-Sha256': signature, 'X-Shoplazza-Topic': 'orders/update' } }
    },
  }))

export async function woocommerce(): Promise<SimulatedVendor> {
  const shop = await startWooCommerce()
  const { id: _, vendor, ...connection } = await exampleConnection('woocommerce', shop.env())
  const { order: sample } = fixture('woocommerce/completed-partly-refunded') as { order: Record<string, unknown> }
  const text = (at: number) => new Date(at).toISOString().slice(0, 19)
  const row = ({ orderId, updatedAt, facts }: SimulatedOrder) => {
    const at = text(updatedAt)
    const isRefunded = facts.includes('refunded')
    return {
      ...{ ...sample, id: Number(orderId), number: orderId, date_modified_gmt: at },
      ...{ status: isRefunded ? 'refunded' : facts.includes('cancelled') ? 'cancelled' : 'processing' },
      ...{ date_paid_gmt: facts.includes('paid') ? at : null, date_completed_gmt: null },
      refunds: isRefunded ? [{ id: 5, reason: '', total: '-39.00' }] : [],
    }
  }
  return {
    connection: { ...connection, pollEvery: '5s', overlap: '10m', reconcile: false },
    put: order =>
      shop.put(row(order), [{ id: 5, amount: '39.00', reason: '', date_created_gmt: text(order.updatedAt) }]),
    putUnreadable: order =>
      shop.put({ ...row({ ...order, facts: [] }), date_modified_gmt: text(order.updatedAt) }, [], { id: {} }),
    fail(failure) {
      shop.control.failure = failure
    },
    close: () => shop.close(),
  }
}
