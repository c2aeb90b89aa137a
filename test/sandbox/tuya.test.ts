import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { TUYA_CLIENT_ID, TUYA_CLIENT_SECRET, TUYA_MALL, TUYA_SHOP, tuyaSignature } from '../../src/sandbox/tuya.ts'
import { type Answer, ask, quietShop, standingClock } from './quiet-shop.ts'

let nonces = 0

interface Signing {
  readonly token?: string
  readonly t?: number
  readonly nonce?: string
  readonly secret?: string
}

function signed(url: string, { token, t = systemClock().now(), nonce = `n-${++nonces}`, secret }: Signing = {}) {
  const sign = tuyaSignature({
    clientId: TUYA_CLIENT_ID,
    secret: secret ?? TUYA_CLIENT_SECRET,
    method: 'GET',
    url,
    body: '',
    t: String(t),
    nonce,
    ...(token !== undefined && { accessToken: token }),
  })
  return {
    client_id: TUYA_CLIENT_ID,
    sign,
    t: String(t),
    nonce,
    sign_method: 'HMAC-SHA256',
    ...(token !== undefined && { access_token: token }),
  }
}

const askTuya = (shop: Sandbox, url: string, signing?: Signing): Promise<Answer> =>
  ask(`${shop.url}/tuya${url}`, signed(url, signing))

async function tokenOf(shop: Sandbox, signing?: Signing): Promise<string> {
  return (await askTuya(shop, '/v1.0/token?grant_type=1', signing)).body.result.access_token
}

const PLACE = `mall_code=${TUYA_MALL}&shop_code=${TUYA_SHOP}&user_id=buyer-1`
const detail = (id: string): string => `/v1.0/mall/plugin/order/${id}?${PLACE}`
const ROW = {
  order_id: 'o1',
  pay_status: 'paid',
  delivery_status: '',
  created_time: '20260302',
  total_price: 2,
  currency: 'USD',
  commodity_list: [{ id: 466157049, sku: 'A' }],
}

describe('the signature', () => {
  const known = {
    clientId: '1KAD46OrT9HafiKdsXeg',
    secret: '4OHBOnWOqaEC1mWXOpVL3yV50s0qGSRC',
    method: 'GET',
    body: '',
    t: '1588925778000',
    nonce: '5138cc3a9033d69856923fd07b491173',
    headers: [
      ['area_id', '29a33e8796834b1efa6'],
      ['call_id', '8afdb70ab2ed11eb85290242ac130003'],
    ],
  } as const

  test('of a token call is the published one', () => {
    expect(tuyaSignature({ ...known, url: '/v1.0/token?grant_type=1' })).toBe(
      '9E48A3E93B302EEECC803C7241985D0A34EB944F40FB573C7B5C2A82158AF13E',
    )
  })

  test('of a business call is the published one', () => {
    const accessToken = '3f4eda2bdec17232f67c0b188af3eec1'
    expect(tuyaSignature({ ...known, accessToken, url: '/v2.0/apps/schema/users?page_no=1&page_size=50' })).toBe(
      'AE4481C692AA80B25F3A7E12C3A5FD9BBF6251539DD78E565A1A72A508A88784',
    )
  })

  test('must fit, be recent and be used once', async () => {
    const shop = await quietShop()
    const url = '/v1.0/token?grant_type=1'
    const now = systemClock().now()
    const code = async (signing: Signing): Promise<number> => (await askTuya(shop, url, signing)).body.code
    expect(await code({ secret: 'wrong' })).toBe(1004)
    expect(await code({ t: now - 600_000 })).toBe(1013)
    expect(await code({ t: now + 600_000 })).toBe(1013)
    expect(await code({ nonce: 'once' })).toBeUndefined()
    expect(await code({ nonce: 'once' })).toBe(1004)
  })

  test('may be of the path with the base path or without it', async () => {
    const shop = await quietShop()
    const url = '/tuya/v1.0/token?grant_type=1'
    expect((await ask(`${shop.url}${url}`, signed(url))).body.success).toBe(true)
  })
})

describe('tokens', () => {
  test('are needed, expire, and are void once another is issued', async () => {
    const shop = await quietShop()
    shop.tuya.put('o1', ROW)
    const code = async (signing: Signing): Promise<number> => (await askTuya(shop, detail('o1'), signing)).body.code
    expect(await code({})).toBe(1002)
    const first = await tokenOf(shop)
    expect(await code({ token: first })).toBeUndefined()
    const second = await tokenOf(shop)
    expect(await code({ token: first })).toBe(1011)
    shop.tuya.expireToken()
    expect(await code({ token: second })).toBe(1010)
  })

  test('live as long as they say, by the clock of the vendor', async () => {
    const clock = standingClock()
    const shop = await quietShop({ clock })
    shop.tuya.put('o1', ROW)
    const token = await tokenOf(shop, { t: clock.now() })
    clock.move(7_199_000)
    expect((await askTuya(shop, detail('o1'), { token, t: clock.now() })).body.success).toBe(true)
    clock.move(1_000)
    expect((await askTuya(shop, detail('o1'), { token, t: clock.now() })).body.code).toBe(1010)
  })

  test('are refreshed once with the same refresh token', async () => {
    const shop = await quietShop()
    const { refresh_token } = (await askTuya(shop, '/v1.0/token?grant_type=1')).body.result
    const refreshed = await askTuya(shop, `/v1.0/token/${refresh_token}`)
    expect(refreshed.body.result.access_token).toEqual(expect.any(String))
    expect((await askTuya(shop, `/v1.0/token/${refresh_token}`)).body.code).toBe(1011)
  })
})

describe('orders', () => {
  test('are searched by buyer, in pages, without their lines', async () => {
    const shop = await quietShop()
    for (const id of ['o1', 'o2', 'o3']) shop.tuya.put(id, { ...ROW, order_id: id })
    shop.tuya.put('o4', { ...ROW, order_id: 'o4' }, { owner: 'buyer-2' })
    const token = await tokenOf(shop)
    const url = `/v1.0/mall/plugin/order/search?mall_code=${TUYA_MALL}&page_no=2&page_size=2&shop_code=${TUYA_SHOP}&user_id=buyer-1`
    const { result } = (await askTuya(shop, url, { token })).body
    expect(result).toMatchObject({ total: 3, page_no: 2, page_size: 2 })
    expect(result.data_list).toHaveLength(1)
    expect(result.data_list[0]).not.toHaveProperty('commodity_list')
  })

  test('have a detail with lines, wrapped or, if so switched, bare', async () => {
    const shop = await quietShop()
    shop.tuya.put('o1', ROW)
    const token = await tokenOf(shop)
    const wrapped = await askTuya(shop, detail('o1'), { token })
    expect(wrapped.body).toMatchObject({ success: true, t: expect.any(Number), tid: expect.any(String), result: ROW })
    shop.tuya.turn({ bare: true })
    expect((await askTuya(shop, detail('o1'), { token })).body).toEqual(ROW)
  })

  test('that are unknown answer a code or a result of null; a foreign shop is no permission', async () => {
    const shop = await quietShop()
    const token = await tokenOf(shop)
    expect((await askTuya(shop, detail('o9'), { token })).body).toMatchObject({ success: false, code: 2005001 })
    shop.tuya.turn({ missing: 'null' })
    expect((await askTuya(shop, detail('o9'), { token })).body).toMatchObject({ success: true, result: null })
    const foreign = `/v1.0/mall/plugin/order/o9?mall_code=other&shop_code=${TUYA_SHOP}&user_id=buyer-1`
    expect((await askTuya(shop, foreign, { token })).body.code).toBe(1106)
  })
})
