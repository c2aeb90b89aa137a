import { describe, expect, test } from 'vitest'
import type { FeedPage } from '../../../src/sources/source.ts'
import { failure } from '../loopback.ts'
import { described, live } from './described.ts'

const AT = Date.parse('2026-03-02T10:15:30Z')
const WINDOW = { from: AT, to: AT + 60_000 }
const row = (id: number) => ({ id, updated: '2026-03-02T10:15:30Z' })
const orders = (...ids: readonly number[]) => ({ orders: ids.map(row) })

type Described = Awaited<ReturnType<typeof described>>

async function readAll({ feed }: Described): Promise<string[]> {
  const ids: string[] = []
  let page: FeedPage | null = null
  do {
    page = await feed.readPage(WINDOW, page?.next ?? null, live)
    ids.push(...page.orders.map(({ orderId }) => orderId))
  } while (page.next !== null && ids.length < 20)
  return ids
}

const asked = ({ requests }: Described, name: string) => requests.map(({ url }) => url.searchParams.get(name))
const paged = (paging: object, more: object = {}) => ({ list: { paging, ...more } })

describe('pages', () => {
  test('by number begin where the API begins, and end with one that is not full', async () => {
    const api = await described(paged({ type: 'page', param: 'p', first: 0 }), [orders(1, 2), orders(3, 4), orders(5)])
    expect([await readAll(api), asked(api, 'p')]).toEqual([
      ['1', '2', '3', '4', '5'],
      ['0', '1', '2'],
    ])
  })

  test('by number end where a total says so, and it is told to ingest', async () => {
    const paging = paged({ type: 'page', param: 'p' }, { total: { path: '$.count' } })
    const api = await described(paging, [
      { ...orders(1, 2), count: 4 },
      { ...orders(3, 4), count: 4 },
    ])
    expect([await readAll(api), asked(api, 'p')]).toEqual([
      ['1', '2', '3', '4'],
      ['1', '2'],
    ])
    expect((await api.feed.readPage(WINDOW, null, live)).total).toBe(4)
  })

  test('by number end with the count of pages, where a header tells one', async () => {
    let page = 0
    const api = await described(
      paged({ type: 'page', param: 'p' }, { pages: { header: 'X-Pages' } }),
      (_, response) => {
        response.setHeader('x-pages', 2).end(JSON.stringify(orders(++page)))
      },
    )
    expect([await readAll(api), asked(api, 'p')]).toEqual([
      ['1', '2'],
      ['1', '2'],
    ])
  })

  test('by offset count the rows that were read', async () => {
    const api = await described(paged({ type: 'offset', param: 'skip' }), [orders(1, 2), orders(3, 4), orders()])
    expect([await readAll(api), asked(api, 'skip')]).toEqual([
      ['1', '2', '3', '4'],
      ['0', '2', '4'],
    ])
  })

  test('by cursor follow it until there is none', async () => {
    const api = await described(paged({ type: 'cursor', param: 'after', next: '$.next' }), [
      { ...orders(1), next: 'x=&y' },
      { ...orders(2), next: null },
    ])
    expect([await readAll(api), asked(api, 'after')]).toEqual([
      ['1', '2'],
      [null, 'x=&y'],
    ])
  })

  test('by cursor end where the answer says that there is no more, cursor or not', async () => {
    const more = { path: '$.more', map: { true: true, false: false } }
    const paging = paged({ type: 'cursor', param: 'after', next: '$.next', more })
    const api = await described(paging, [
      { ...orders(1), next: 'a', more: true },
      { ...orders(2), next: 'b', more: false },
    ])
    expect(await readAll(api)).toEqual(['1', '2'])
    const broken = await described(paging, [{ ...orders(1), more: true }])
    expect(await failure(readAll(broken))).toMatchObject({ code: 'rest.malformed', intent: 'retry' })
  })

  test.each([
    [
      'absolute',
      '<http://elsewhere.test/api/orders?page=2&since=a%3Ab>; rel="next", <http://x/api/orders>; rel="first"',
    ],
    ['relative, and with another parameter first', '</api/orders?page=2&since=a%3Ab>; title="n"; rel=next'],
  ])('by Link header follow it to our own host, %s', async (_, link) => {
    const api = await described(paged({ type: 'link' }), (request, response) => {
      const isSecond = request.url?.includes('page=2')
      if (!isSecond) response.setHeader('link', link)
      response.end(JSON.stringify(orders(isSecond ? 2 : 1)))
    })
    expect(await readAll(api)).toEqual(['1', '2'])
    expect(api.requests[1]?.raw).toBe('/api/orders?page=2&since=a%3Ab')
  })

  test('by an address in the body keep our credentials out of page tokens, and refuse one outside of the base URL', async () => {
    const auth = { type: 'query', keys: { key: 's3cret' } }
    const next = 'https://api.test/api/orders?cursor=2&key=s3cret'
    const description = { auth, ...paged({ type: 'link', next: '$.next' }) }
    const api = await described(description, [{ ...orders(1), next }, orders(2)])
    expect((await api.feed.readPage(WINDOW, null, live)).next).toBe('/orders?cursor=2')
    expect(await readAll(await described(description, [{ ...orders(1), next }, orders(2)]))).toEqual(['1', '2'])
    const foreign = await described(description, [{ ...orders(1), next: 'https://api.test/admin' }])
    expect(await failure(readAll(foreign))).toMatchObject({ code: 'rest.foreign_link' })
  })

  test('are one where the API has no pages', async () => {
    expect(await readAll(await described({}, [orders(1, 2)]))).toEqual(['1', '2'])
  })
})

describe('a request', () => {
  test.each([
    [{ type: 'bearer', token: 'a' }, { authorization: 'Bearer a' }],
    [{ type: 'basic', username: 'u', password: 'ü' }, { authorization: 'Basic dTrDvA==' }],
    [
      { type: 'header', headers: { 'X-Key': 'a', 'X-Shop': 'b' } },
      { 'x-key': 'a', 'x-shop': 'b' },
    ],
  ])('carries %j', async (auth, headers) => {
    const { source, requests } = await described({ auth, headers: { accept: 'application/vnd.x+json' } }, [orders()])
    await source.check(live)
    expect(requests[0]?.headers).toMatchObject({ accept: 'application/vnd.x+json', ...headers })
  })

  test('carries credentials in the query where the API wants them there, and its errors do not', async () => {
    const auth = { type: 'query', keys: { api_key: 's3cret' } }
    const { source, requests } = await described({ auth }, (_, response) => response.writeHead(500).end())
    const error = await failure(source.check(live))
    expect(requests[0]?.url.searchParams.get('api_key')).toBe('s3cret')
    expect(error.message).not.toContain('s3cret')
  })

  test('carries the fixed parameters, the size of a page and the bounds of the window', async () => {
    const list = {
      query: { state: 'any', expand: ['a', 'b'] },
      size: { param: 'limit', value: 50 },
      updated: { filter: 'changed:{from}..{to}' },
    }
    const { feed, requests } = await described({ list }, [orders()])
    await feed.readPage(WINDOW, null, live)
    expect(decodeURIComponent(requests[0]?.url.search ?? '')).toBe(
      '?state=any&expand=a&expand=b&filter=changed:2026-03-02T10:15:30Z..2026-03-02T10:16:30Z&limit=50',
    )
  })

  test('by creation time is made where the description has a filter for it', async () => {
    const { feed, requests } = await described({ list: { created: { born: '{from}/{to}' } } }, [orders()])
    await feed.readCreated?.(WINDOW, null, live)
    expect(requests[0]?.url.searchParams.get('born')).toBe('2026-03-02T10:15:30Z/2026-03-02T10:16:30Z')
    expect((await described({}, [orders()])).feed.readCreated).toBeUndefined()
  })
})

describe('an answer', () => {
  test.each([[{ error: 'busy' }], [{ orders: null }], [{ orders: 'none' }], [[]]])(
    'without a list where the list should be fails the poll, and is no empty list: %j',
    async answer => {
      const { feed } = await described({}, [answer])
      expect(await failure(feed.readPage(WINDOW, null, live))).toMatchObject({
        code: 'rest.malformed',
        intent: 'retry',
      })
    },
  )

  test('case 1: of status 200 that does not say that it succeeded fails the poll', async () => {
    const ok = { path: '$.code', map: { 0: true }, other: false }
    const { feed } = await described({ ok }, [
      { ...orders(1), code: 17 },
      { ...orders(1), code: 0 },
    ])
    expect(await failure(feed.readPage(WINDOW, null, live))).toMatchObject({ code: 'rest.failed', intent: 'retry' })
    expect((await feed.readPage(WINDOW, null, live)).orders).toHaveLength(1)
  })

  test('with a row that is no order sets the row aside and reads the others', async () => {
    const { feed } = await described({}, [{ orders: ['x', { updated: 'x' }, row(3)] }])
    const page = await feed.readPage(WINDOW, null, live)
    expect(page.orders.map(({ orderId }) => orderId)).toEqual(['3'])
    expect(page.rejects.map(({ reason }) => reason)).toEqual([
      'expected an order: an object',
      'expected an order with an id',
    ])
  })

  test('case 9: with an id above 2^53 keeps every digit', async () => {
    const { feed } = await described({}, ['{"orders":[{"id":9007199254740993,"updated":"2026-03-02T10:15:30Z"}]}'])
    expect((await feed.readPage(WINDOW, null, live)).orders[0]?.orderId).toBe('9007199254740993')
  })

  test('for a single order that holds another one is not believed', async () => {
    const { source } = await described({ one: { path: '/orders/{id}', row: '$.order' } }, [{ order: row(2) }])
    const asked = source.fetch([{ orderId: '1', userId: null }], live)
    expect(await failure(asked)).toMatchObject({ code: 'rest.malformed' })
  })

  test('case 35: with times without a zone is read as UTC, with one warning for each field', async () => {
    const { feed, lines } = await described({}, [
      { orders: [1, 2].map(id => ({ id, updated: '2026-03-02 10:15:30' })) },
    ])
    const page = await feed.readPage(WINDOW, null, live)
    expect(page.orders[0]?.updatedAt).toBe('2026-03-02T10:15:30.000Z')
    expect(lines.map(({ field }) => field)).toEqual(['updated'])
  })
})

describe('rows of a list that lack members', () => {
  test('are completed by reading each changed order by itself, and lose nothing that they prove', async () => {
    const description = {
      one: { path: '/orders/{id}', each: true },
      order: { paid: { when: { path: '$.paid' } }, cancelled: { when: { path: '$.cancelled' } }, number: '$.no' },
    }
    const { source, feed, requests } = await described(description, [
      { orders: [{ ...row(1), cancelled: true }, row(2)] },
      { ...row(1), paid: true, no: 'A-1' },
    ])
    const page = await feed.readPage(WINDOW, null, live)
    const [whole] = (await source.complete?.(page.orders.slice(0, 1), live)) ?? []
    expect(requests[1]?.url.pathname).toBe('/api/orders/1')
    expect(whole).toMatchObject({ orderNumber: 'A-1', paid: { when: null }, cancelled: { when: null } })
  })
})

describe('`check`', () => {
  test('says which facts are missing, what it does not understand, and which paths lead nowhere', async () => {
    const description = { order: { number: '$.nr', total: '$.sum', paid: { when: { path: '$.s', map: { p: true } } } } }
    const { source } = await described(description, [{ orders: [{ ...row(1), sum: '9,99', s: 'q' }, row(2)] }])
    expect(await source.check(live)).toBe(
      'GET /orders answers; 2 or more orders changed within 30 days; proves order.paid; ' +
        'missing: order.shipped, order.shipment_updated, order.delivered, order.refunded, order.cancelled (nothing in the configuration proves them); ' +
        'not understood: sum (expected an amount such as 9.99, not negative), s (expected one of p; without it no payment is told); ' +
        'no order has a value at order.number',
    )
  })
})
