import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { createTuya } from '../../../src/sources/tuya/tuya.ts'
import { tuyaSign } from '../../../src/sources/tuya/tuya-sign.ts'
import { failure, live, loopback } from '../loopback.ts'

const CLIENT = { clientId: 'client', clientSecret: 'test-secret' }
const SEARCH = '/v1.0/mall/plugin/order/search'
const DETAIL = '/v1.0/mall/plugin/order/A1'

const ok = (result: unknown) => ({ success: true, t: Date.now(), tid: 'x', result })
const fail = (code: unknown, more: object = {}) => ({ success: false, code, msg: 'varies', t: Date.now(), ...more })
const order = (id: string, more: object = {}) => ({ order_id: id, pay_status: 'paid', currency: 'USD', ...more })

interface Call {
  readonly path: string
  readonly query: URLSearchParams
  /** The access token it carries. */
  readonly token: string | undefined
  readonly t: number
}

/**
 * Tuya as far as these tests need it: every token request grants `token-1`, `token-2` …; `business` answers all other requests.
 * Every request must be signed over exactly the bytes that were sent.
 */
async function tuya(
  business: (call: Call, n: number) => unknown,
  options: { clock?: Clock; date?: string; lifetime?: number; token?: (call: Call, n: number) => unknown } = {},
) {
  const calls: Call[] = []
  const tokenCalls: string[] = []
  const badSigns: string[] = []
  const nonces = new Set<unknown>()
  const clock = options.clock ?? systemClock()
  const vendor = await loopback(
    (request, response) => {
      const { headers, url: raw = '' } = request
      const header = (name: string) => String(headers[name] ?? '')
      const accessToken = headers.access_token === undefined ? {} : { accessToken: header('access_token') }
      const signed = { ...CLIENT, secret: CLIENT.clientSecret, t: header('t'), nonce: header('nonce'), method: 'GET' }
      if (tuyaSign({ ...signed, ...accessToken, url: raw }) !== headers.sign) badSigns.push(raw)
      nonces.add(headers.nonce)
      const url = new URL(raw, 'http://x')
      const call = {
        path: url.pathname,
        query: url.searchParams,
        token: accessToken.accessToken,
        t: Number(header('t')),
      }
      const isToken = url.pathname.startsWith('/v1.0/token')
      if (isToken) tokenCalls.push(raw)
      else calls.push(call)
      const n = tokenCalls.length
      const granted = {
        access_token: `token-${n}`,
        refresh_token: `refresh-${n}`,
        expire_time: options.lifetime ?? 7200,
      }
      const value = isToken ? (options.token?.(call, n) ?? ok(granted)) : business(call, calls.length)
      if (typeof value === 'object' && value !== null && 'status' in value) response.statusCode = Number(value.status)
      if (options.date !== undefined) response.setHeader('date', options.date)
      response.end(JSON.stringify(value))
    },
    { clock },
  )
  const connection = {
    ...CLIENT,
    mallCode: 'm 1',
    shopCode: 's',
    statuses: { paid: [], shipped: [], delivered: [], refunded: [] },
  }
  const source = createTuya({ connection, http: vendor.http, clock })
  if (source.feed.kind !== 'follow') throw new TypeError('expected a follow feed')
  return { source, feed: source.feed, calls, tokenCalls, badSigns, nonces }
}

const A1 = [{ orderId: 'A1', userId: 'u1' }]

describe('requests', () => {
  test('fetch a token first, and are signed over the very bytes that are sent, with a nonce each', async () => {
    const { source, calls, tokenCalls, badSigns, nonces } = await tuya(() => ok(order('A1')))
    const page = await source.fetch([...A1, ...A1], live())
    expect(page.orders.map(({ orderId }) => orderId)).toEqual(['A1', 'A1'])
    expect(tokenCalls).toEqual(['/v1.0/token?grant_type=1'])
    expect(calls.map(({ path, token }) => [path, token])).toEqual([
      [DETAIL, 'token-1'],
      [DETAIL, 'token-1'],
    ])
    expect(Object.fromEntries(calls[0]?.query ?? [])).toEqual({ mall_code: 'm 1', shop_code: 's', user_id: 'u1' })
    expect(badSigns).toEqual([])
    expect(nonces.size).toBe(3)
  })

  test('an answer without its envelope is accepted as well', async () => {
    const { source } = await tuya(() => order('A1', { total_price: 2 }))
    expect((await source.fetch(A1, live())).orders).toMatchObject([{ orderId: 'A1', total: '2.00' }])
  })

  test('a token about to expire is replaced with its refresh token, once for all who wait', async () => {
    let now = 0
    const clock = { ...systemClock(), monotonic: () => now }
    const { source, tokenCalls } = await tuya(() => ok(order('A1')), { clock, lifetime: 100 })
    await source.fetch(A1, live())
    now = 89_000
    await source.fetch(A1, live())
    expect(tokenCalls).toHaveLength(1)
    now = 91_000
    await Promise.all([1, 2, 3].map(() => source.fetch(A1, live())))
    expect(tokenCalls).toEqual(['/v1.0/token?grant_type=1', '/v1.0/token/refresh-1'])
  })

  test('where the refresh token is used up, a new token is granted', async () => {
    let now = 0
    const clock = { ...systemClock(), monotonic: () => now }
    const { source, calls, tokenCalls } = await tuya(() => ok(order('A1')), {
      clock,
      token: ({ path }) => (path === '/v1.0/token' ? undefined : fail(1010)),
    })
    await source.fetch(A1, live())
    now = 7_200_000
    await source.fetch(A1, live())
    expect(tokenCalls.at(-1)).toBe('/v1.0/token?grant_type=1')
    expect(calls.at(-1)?.token).toBe('token-3')
  })
})

describe('case 15: a token that is refused', () => {
  test.each([
    [1010, '/v1.0/token/refresh-1'],
    ['1011', '/v1.0/token?grant_type=1'],
  ])('with %j is renewed once and the request tried once more', async (code, renewal) => {
    const { source, calls, tokenCalls } = await tuya(({ token }) =>
      token === 'token-1' ? fail(code) : ok(order('A1')),
    )
    expect((await source.fetch(A1, live())).orders).toHaveLength(1)
    expect(tokenCalls.slice(1)).toEqual([renewal])
    expect(calls.map(({ token }) => token)).toEqual(['token-1', 'token-2'])
  })

  test.each([1010, 1011])('with %j again is a failed poll', async code => {
    const { source, calls, tokenCalls } = await tuya(() => fail(code))
    expect(await failure(source.fetch(A1, live()))).toMatchObject({ code: 'tuya.token', intent: 'retry' })
    expect(calls).toHaveLength(2)
    expect(tokenCalls).toHaveLength(2)
  })

  test('is renewed once, however many requests it was refused to', async () => {
    const { source, tokenCalls } = await tuya(({ token }) => (token === 'token-1' ? fail(1010) : ok(order('A1'))))
    await Promise.all([1, 2, 3, 4].map(() => source.fetch(A1, live())))
    expect(tokenCalls).toHaveLength(2)
  })

  test('counts by its code also with a status of 401', async () => {
    const { source } = await tuya(({ token }) =>
      token === 'token-1' ? { ...fail(1010), status: 401 } : ok(order('A1')),
    )
    expect((await source.fetch(A1, live())).orders).toHaveLength(1)
  })
})

describe('case 16: what a person has to put right', () => {
  test.each([1004, 1106, 28841105, 28841101, 28841002, 28841004])(
    'code %j stops the connection at once',
    async code => {
      const { source, calls } = await tuya(() => fail(code))
      const error = await failure(source.fetch(A1, live()))
      expect(error).toMatchObject({ intent: 'stop' })
      expect(error.message).toContain(String(code))
      expect(error.message).not.toContain('test-secret')
      expect(calls).toHaveLength(1)
    },
  )

  test('also when the token itself is refused, or a status says so without a code', async () => {
    const refused = await tuya(() => ok(null), { token: () => fail(1004) })
    expect(await failure(refused.source.check(live()))).toMatchObject({ intent: 'stop' })
    const forbidden = await tuya(() => ({ status: 403 }))
    expect(await failure(forbidden.source.fetch(A1, live()))).toMatchObject({ intent: 'stop' })
  })
})

describe('case 17: 1013', () => {
  const HOUR = 3_600_000

  test("sets the clock by the answer's own and tries once more, for tokens too", async () => {
    const refuse = ({ t }: Call) => Math.abs(t - (Date.now() + HOUR)) > 60_000
    const late = fail(1013, { t: Date.now() + HOUR })
    const { source, calls } = await tuya(call => (refuse(call) ? late : ok(order('A1'))), {
      token: call => (refuse(call) ? late : undefined),
    })
    expect((await source.fetch(A1, live())).orders).toHaveLength(1)
    await source.fetch(A1, live())
    expect(calls).toHaveLength(2)
  })

  test.each([
    ['a time with a fraction', (ours: number) => `${ours}.637`],
    ['no time, where its `Date` is not its clock', () => null],
  ])('with %s: it is asked with a time that it takes', async (_, told) => {
    const date = new Date(Date.now() + 3 * HOUR).toUTCString()
    const refused = () => fail(1013, { t: told(Date.now()) })
    const { source } = await tuya(({ t }) => (Math.abs(t - Date.now()) > 60_000 ? refused() : ok(order('A1'))), {
      date,
    })
    for (let poll = 0; poll < 3; poll++) expect((await source.fetch(A1, live())).orders).toHaveLength(1)
  })

  test('again is a failed poll', async () => {
    const { source, calls } = await tuya(() => fail(1013))
    expect(await failure(source.fetch(A1, live()))).toMatchObject({ code: 'tuya.clock', intent: 'retry' })
    expect(calls).toHaveLength(2)
  })
})

describe('other failures', () => {
  test('1110 pauses and tries once more', async () => {
    const pauses: number[] = []
    const clock: Clock = { ...systemClock(), sleep: async ms => void pauses.push(ms) }
    const busy = await tuya((_, n) => (n === 1 ? fail(1110) : ok(order('A1'))), { clock })
    expect((await busy.source.fetch(A1, live())).orders).toHaveLength(1)
    expect(pauses).toHaveLength(1)
    expect(pauses[0]).toBeGreaterThanOrEqual(1_000)
    const busier = await tuya(() => fail(1110), { clock })
    expect(await failure(busier.source.fetch(A1, live()))).toMatchObject({ intent: 'retry', retryAfterMs: 5_000 })
  })

  test.each([fail(500), fail(null), { success: 'false' }, { code: 2, msg: 'x' }, [], 'x'])(
    '%j is a retry',
    async answer => {
      const { source } = await tuya(() => answer)
      expect(await failure(source.fetch(A1, live()))).toMatchObject({ intent: 'retry' })
    },
  )
})

describe('orders by id', () => {
  test.each([
    ['case 18: success with a result of null', ok(null)],
    ['the code for not found', fail(2005001)],
    ['the same in quotes with a status of 404', { ...fail('2005001'), status: 404 }],
  ])('%s is an absent order, no cancellation', async (_, answer) => {
    const { source } = await tuya(() => answer)
    expect(await source.fetch(A1, live())).toEqual({ orders: [], rejects: [] })
  })

  test('without a buyer are set aside with what to do, and nothing is asked', async () => {
    const { source, calls } = await tuya(() => ok(order('A1')))
    const { rejects } = await source.fetch([{ orderId: 'A1', userId: null }], live())
    expect(rejects).toMatchObject([{ orderId: 'A1', path: 'userId', reason: expect.stringContaining('buyer') }])
    expect(calls).toEqual([])
  })

  test('that come back as another order are set aside', async () => {
    const { source } = await tuya(() => ok(order('B2')))
    expect(await source.fetch(A1, live())).toMatchObject({ orders: [], rejects: [{ orderId: 'A1', path: 'order_id' }] })
  })

  test('that cannot be read are set aside under their id', async () => {
    const { source } = await tuya(() => ok({ pay_status: 'paid' }))
    expect((await source.fetch(A1, live())).rejects).toMatchObject([{ orderId: 'A1', path: 'order_id' }])
  })
})

describe("a user's orders", () => {
  const pages = (all: readonly unknown[]) => (call: Call) => {
    if (call.path !== SEARCH) return ok(order(call.path.split('/').at(-1) ?? '', { commodity_list: [{ id: 1 }] }))
    const from = (Number(call.query.get('page_no')) - 1) * Number(call.query.get('page_size'))
    return ok({ total: all.length, data_list: all.slice(from, from + Number(call.query.get('page_size'))) })
  }

  test('come page by page until all are counted', async () => {
    const { feed, calls, badSigns } = await tuya(pages(Array.from({ length: 101 }, (_, n) => order(`O${n}`))))
    let seen = 0
    let next: string | null = null
    do {
      const page = await feed.readUserPage('u1', next, live())
      expect(page).toMatchObject({ total: 101, pageSize: 50 })
      seen += page.orders.length
      next = page.next
    } while (next !== null)
    expect(seen).toBe(101)
    expect(calls.map(({ query }) => [query.get('user_id'), query.get('page_no'), query.get('page_size')])).toEqual([
      ['u1', '1', '50'],
      ['u1', '2', '50'],
      ['u1', '3', '50'],
    ])
    expect(badSigns).toEqual([])
  })

  test.each([ok(null), ok({ total: 0, data_list: null }), fail(2005001)])('may be none: %j', async answer => {
    const { feed } = await tuya(() => answer)
    expect(await feed.readUserPage('u1', null, live())).toMatchObject({ orders: [], next: null, total: 0 })
  })

  test('case 2: no list and a total above 0 is a failed poll', async () => {
    const { feed } = await tuya(() => ok({ total: 3, data_list: null }))
    expect(await failure(feed.readUserPage('u1', null, live()))).toMatchObject({
      code: 'tuya.malformed',
      intent: 'retry',
    })
  })

  test('are completed with the lines of their detail, in their order', async () => {
    const { source, feed } = await tuya(pages([order('A1'), order('B2')]))
    const { orders } = await feed.readUserPage('u1', null, live())
    expect(orders.map(({ lines }) => lines.length)).toEqual([0, 0])
    const complete = await source.complete?.(orders, live())
    expect(complete?.map(({ orderId, lines }) => [orderId, lines.length])).toEqual([
      ['A1', 1],
      ['B2', 1],
    ])
  })

  test.each([
    ['the detail is behind', order('A1', { pay_status: 'unpaid' }), order('A1', { delivery_status: 'shipped' })],
    ['the search is behind', order('A1', { delivery_status: 'shipped' }), order('A1', { pay_status: 'unpaid' })],
  ])('and their detail prove together what either proves: %s', async (_, detail, row) => {
    const lines = { commodity_list: [{ id: 1 }] }
    const { source, feed } = await tuya(call =>
      call.path === SEARCH ? ok({ total: 1, data_list: [row] }) : ok({ ...detail, ...lines }),
    )
    const { orders } = await feed.readUserPage('u1', null, live())
    const [both] = (await source.complete?.(orders, live())) ?? []
    expect(both).toMatchObject({ paid: { when: null }, packages: [{ shipped: { when: null } }], lines: [{ id: '1' }] })
  })

  test('stay as they are where the detail cannot be read, and an order that came by id is not asked for again', async () => {
    const { source, feed, calls } = await tuya(call =>
      call.path === SEARCH
        ? ok({ total: 2, data_list: [order('A1'), order('B2')] })
        : call.path === DETAIL
          ? fail(9)
          : ok(null),
    )
    const { orders } = await feed.readUserPage('u1', null, live())
    expect(await source.complete?.(orders, live())).toEqual(orders)
    const asked = calls.length
    const single = structuredClone(orders)
    expect(await source.complete?.(single, live())).toEqual(single)
    expect(calls).toHaveLength(asked)
  })

  test('are not completed half while the vendor asks for a pause: the page fails and comes again', async () => {
    const { source, feed } = await tuya(call =>
      call.path === SEARCH ? ok({ total: 1, data_list: [order('A1')] }) : { ...fail(1110), status: 429 },
    )
    const { orders } = await feed.readUserPage('u1', null, live())
    expect(await failure(Promise.resolve(source.complete?.(orders, live())))).toMatchObject({
      code: 'vendor.rate_limited',
    })
  })
})

test('check asks for a token and says what answered', async () => {
  const { source, tokenCalls } = await tuya(() => ok(null))
  expect(await source.check(live())).toBe('Tuya answers and takes our token')
  expect(tokenCalls).toHaveLength(1)
})
