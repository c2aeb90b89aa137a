import { describe, expect, test } from 'vitest'
import { createKakaclo } from '../../../src/sources/kakaclo/kakaclo.ts'
import { answering, failure, live, loopback } from '../loopback.ts'

const row = (id: unknown, more: Record<string, unknown> = {}) => ({ id, status: 'processing', ...more })
const listed = (list: unknown, total: unknown = Array.isArray(list) ? list.length : 0, pageSize = 250) => ({
  code: 10000,
  message: 'kk.api.200',
  data: { total, pageNumber: 1, pageSize, list },
})

async function source(apiVersion: 'v1' | 'v2', ...answers: readonly unknown[]) {
  const vendor = await loopback(answering(...answers), { path: '/openapi' })
  const connection = { apiVersion, token: 'test-token', currency: 'USD' }
  const warnings: unknown[] = []
  const log = { warn: (fields: unknown) => warnings.push(fields) }
  const kakaclo = createKakaclo({ connection, http: vendor.http, log: log as never })
  if (kakaclo.feed.kind !== 'window') throw new TypeError('expected a window feed')
  return { ...vendor, kakaclo, feed: kakaclo.feed, warnings }
}

const WINDOW = { from: Date.parse('2026-03-02T10:00:00.500Z'), to: Date.parse('2026-03-02T10:10:00.001Z') }

describe('a page of changes', () => {
  test.each(['v1', 'v2'] as const)('of %s is asked for by update time, authorised, 250 rows at most', async version => {
    const { feed, requests } = await source(version, listed([row(1)]))
    const page = await feed.readPage(WINDOW, null, live())
    expect(page).toMatchObject({ orders: [{ orderId: '1' }], rejects: [], next: null, total: 1, pageSize: 250 })
    const [request] = requests
    expect(request?.url.pathname).toBe(`/openapi/${version}/order/orders`)
    expect(Object.fromEntries(request?.url.searchParams ?? [])).toEqual({
      updateStartTime: '2026-03-02T10:00:00Z',
      updateEndTime: '2026-03-02T10:10:01Z',
      pageNumber: '1',
      pageSize: '250',
    })
    expect(request?.headers.authorization).toBe('Bearer test-token')
  })

  test('is asked for by creation time where a reconciliation reads it (case 47)', async () => {
    const { feed, requests } = await source('v2', listed([row(1)]))
    const page = await feed.readCreated?.(WINDOW, null, live())
    expect(page).toMatchObject({ orders: [{ orderId: '1' }], next: null })
    expect(Object.fromEntries(requests[0]?.url.searchParams ?? [])).toEqual({
      createStartTime: '2026-03-02T10:00:00Z',
      createEndTime: '2026-03-02T10:10:01Z',
      pageNumber: '1',
      pageSize: '250',
    })
  })

  async function readAll({ feed }: Awaited<ReturnType<typeof source>>): Promise<string[]> {
    const seen: string[] = []
    let next: string | null = null
    do {
      const page = await feed.readPage(WINDOW, next, live())
      seen.push(...page.orders.map(({ orderId }) => orderId))
      next = page.next
    } while (next !== null)
    return seen
  }

  test('is followed by the next until all rows are counted, whatever page size the vendor keeps to', async () => {
    const vendor = await source(
      'v2',
      listed([row(1), row(2)], 5, 2),
      listed([row(3), row(4)], 5, 2),
      listed([row(5)], '5', 2),
    )
    expect(await readAll(vendor)).toEqual(['1', '2', '3', '4', '5'])
    expect(vendor.requests.map(({ url }) => url.searchParams.get('pageNumber'))).toEqual(['1', '2', '3'])
  })

  test.each([
    ['once', 3, 2],
    ['twice', 4, 3],
  ])(
    'that repeats an order does not end the reading early, where the total counts it %s',
    async (_, total, requests) => {
      const vendor = await source(
        'v2',
        listed([row(1), row(2), row(2)], total, 2),
        listed([row(3)], total, 2),
        listed([], total, 2),
      )
      expect(await readAll(vendor)).toEqual(['1', '2', '2', '3'])
      expect(vendor.requests).toHaveLength(requests)
    },
  )

  test('that is empty although more rows are counted is the last, and shows the count', async () => {
    const { feed } = await source('v2', listed([], 3))
    expect(await feed.readPage(WINDOW, null, live())).toMatchObject({ next: null, total: 3 })
  })

  test('keeps a bad row apart from the good ones', async () => {
    const { feed } = await source('v2', listed([row(1), null, row('NULL'), row(2)]))
    const page = await feed.readPage(WINDOW, null, live())
    expect(page.orders.map(({ orderId }) => orderId)).toEqual(['1', '2'])
    expect(page.rejects).toMatchObject([{ orderId: null }, { orderId: null, path: 'id' }])
  })

  test('case 9: an id beyond 2^53 comes exactly', async () => {
    const { feed } = await source('v2', '{"code":10000,"data":{"total":1,"list":[{"id":9007199254740993}]}}')
    expect(await feed.readPage(WINDOW, null, live())).toMatchObject({ orders: [{ orderId: '9007199254740993' }] })
  })

  test('case 10: two orders of one customOrderId are two', async () => {
    const { feed } = await source('v2', listed([row(1, { customOrderId: 'c' }), row(2, { customOrderId: 'c' })]))
    const { orders } = await feed.readPage(WINDOW, null, live())
    expect(orders.map(({ orderId, orderNumber }) => [orderId, orderNumber])).toEqual([
      ['1', 'c'],
      ['2', 'c'],
    ])
  })

  test('case 35: a field without a zone is logged once', async () => {
    const { feed, warnings } = await source(
      'v2',
      listed([1, 2, 3].map(id => row(id, { createDate: '2026-03-02 10:00:00' }))),
    )
    await feed.readPage(WINDOW, null, live())
    expect(warnings).toEqual([{ field: 'createDate' }])
  })
})

describe('a failed poll', () => {
  test.each([
    ['case 1: another code', { code: 10401, message: 'success', data: { total: 0, list: [] } }],
    ['no code', { data: { total: 0, list: [] } }],
    ['no object', []],
    ['no data', { code: 10000, data: null }],
    ['case 2: a list of null and a total above 0', listed(null, 3)],
    ['a list of null and no total', listed(null, null)],
    ['a list that is none', listed('none', 0)],
  ])('%s', async (_, answer) => {
    const { feed } = await source('v2', answer)
    expect(await failure(feed.readPage(WINDOW, null, live()))).toMatchObject({
      code: expect.stringMatching(/^kakaclo\./),
      intent: 'retry',
    })
  })

  test.each([
    ['a list of null and a total of 0', listed(null, 0)],
    ['a code in quotes', { ...listed([]), code: '10000' }],
  ])('is not: %s', async (_, answer) => {
    const { feed } = await source('v2', answer)
    expect(await feed.readPage(WINDOW, null, live())).toMatchObject({ orders: [], next: null, total: 0 })
  })

  test('401 stops the connection', async () => {
    const vendor = await loopback((_, response) => response.writeHead(401).end('{}'))
    const connection = { apiVersion: 'v2' as const, token: 'test-token', currency: 'USD' }
    const { feed } = createKakaclo({ connection, http: vendor.http })
    if (feed.kind !== 'window') throw new TypeError('expected a window feed')
    const error = await failure(feed.readPage(WINDOW, null, live()))
    expect(error).toMatchObject({ intent: 'stop' })
    expect(error.message).not.toContain('test-token')
  })
})

describe('orders by id', () => {
  test('come in lots of 100, each once, without what was not asked for', async () => {
    const { kakaclo, requests } = await source('v2', listed([row(1), row('other')]), listed([row(150)]))
    const refs = [...Array(150).keys(), 0].map(n => ({ orderId: String(n + 1), userId: null }))
    const { orders } = await kakaclo.fetch(refs, live())
    expect(orders.map(({ orderId }) => orderId)).toEqual(['1', '150'])
    expect(requests.map(({ url }) => url.searchParams.get('ids')?.split(',').length)).toEqual([100, 50])
  })

  test('that the vendor does not know are absent', async () => {
    const { kakaclo } = await source('v2', listed(null, 0))
    expect(await kakaclo.fetch([{ orderId: '7', userId: null }], live())).toEqual({ orders: [], rejects: [] })
  })
})

test('check asks for one row and says what answered', async () => {
  const { kakaclo, requests } = await source('v1', listed([row(1)], 42))
  expect(await kakaclo.check(live())).toBe('Kakaclo v1 answers; 42 orders in all')
  expect(requests[0]?.url.searchParams.get('pageSize')).toBe('1')
})
