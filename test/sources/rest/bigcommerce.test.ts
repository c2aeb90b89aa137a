import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { gist, observer } from '../../helpers/decided.ts'
import { closeAfterTest, failure } from '../loopback.ts'
import { connected, exampleConnection, fixture } from './example.ts'

const live = { signal: new AbortController().signal, priority: 'live' } as const
const { order, products, shipments } = fixture('bigcommerce/partly-shipped-partly-refunded')
type Row = Record<string, unknown>

/** A simulated store: lists are empty with status 204 and no body, as the vendor answers them. */
async function store(rows: readonly Row[], parts: { products?: unknown; shipments?: unknown; status?: number } = {}) {
  const requests: URL[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    requests.push(url)
    const [, id, part] = /^\/orders(?:\/(\d+))?(?:\/(\w+))?$/.exec(url.pathname) ?? []
    const size = Number(url.searchParams.get('limit'))
    const page = Number(url.searchParams.get('page') ?? 1)
    const body = part
      ? (parts as Row)[part]
      : id
        ? rows.find(row => String(row.id) === id)
        : rows.slice((page - 1) * size, page * size)
    const isEmpty = body === undefined || (Array.isArray(body) && body.length === 0)
    if (request.headers['x-auth-token'] !== 't0ken') response.writeHead(401).end()
    else if (part && parts.status) response.writeHead(parts.status).end()
    else if (isEmpty) response.writeHead(id && !part ? 404 : 204).end()
    else response.end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closeAfterTest(() => new Promise(resolve => server.close(resolve).closeAllConnections()))
  const env = { BIGCOMMERCE_STORE: 'abc', BIGCOMMERCE_TOKEN: 't0ken' }
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = await exampleConnection('bigcommerce', env, { baseUrl })
  const small = { ...config, list: { ...config.list, size: { param: 'limit', value: 2 } } }
  const { source } = connected(small)
  if (source.feed.kind !== 'window') throw new Error('expected a feed of windows')
  return { source, feed: source.feed, requests }
}

const ref = (orderId: string) => ({ orderId, userId: null })
const window = { from: Date.UTC(2026, 2, 9), to: Date.UTC(2026, 2, 10) }

describe('the BigCommerce example', () => {
  test('reads a partly shipped and partly refunded order as its payment, its shipment and the refunded total', async () => {
    const { source } = await store([order as Row], { products, shipments })
    const page = await source.fetch([ref('118')], live)
    const [snapshot] = page.orders
    const { events } = observer('bigcommerce').see(snapshot as NonNullable<typeof snapshot>)
    expect(events.map(gist)).toEqual(['paid 74.95', 'shipped 51', 'refunded 15.50'])
    expect(events[1]?.data).toMatchObject({
      occurredAt: '2026-03-09T15:41:55.000Z',
      occurredAtSource: 'vendor',
      shipment: { carrier: 'ups', trackingNumber: '1Z999AA10123456784', lines: [{ id: '16', quantity: 2 }] },
    })
    expect(events[2]?.data).toMatchObject({ refund: { totalRefunded: '15.50', full: false } })
    expect(snapshot?.lines.map(({ id, price }) => [id, price])).toEqual([
      ['16', '31.00'],
      ['17', '0.00'],
    ])
    expect(snapshot?.doubts).toEqual([])
    expect(JSON.stringify(snapshot)).not.toMatch(/canary|Pia|555/i)
  })

  test('asks for no shipments where nothing was shipped', async () => {
    const { source, requests } = await store([{ ...(order as Row), items_shipped: 0 }], { products })
    expect((await source.fetch([ref('118')], live)).orders[0]?.packages).toEqual([])
    expect(requests.filter(({ pathname }) => pathname.endsWith('/shipments'))).toEqual([])
  })

  test('quarantines a payment status it does not know, and reads the rest', async () => {
    const { source } = await store([{ ...(order as Row), payment_status: 'in escrow' }], { products, shipments })
    const [snapshot] = (await source.fetch([ref('118')], live)).orders
    expect(snapshot?.paid).toBeNull()
    expect(snapshot?.packages).toHaveLength(1)
    expect(snapshot?.doubts.map(({ path, value }) => [path, value])).toEqual([['payment_status', '"in escrow"']])
  })

  test('reads page after page until one is not full, and takes 204 for an empty list', async () => {
    const rows = [1, 2, 3, 4].map(id => ({ ...(order as Row), id }))
    const { feed, requests } = await store(rows)
    const ids: string[] = []
    let at: string | null = null
    do {
      const page = await feed.readPage(window, at, live)
      ids.push(...page.orders.map(({ orderId }) => orderId))
      at = page.next
    } while (at !== null)
    expect(ids).toEqual(['1', '2', '3', '4'])
    expect(requests.map(({ searchParams }) => searchParams.get('page'))).toEqual(['1', '2', '3'])
    expect(requests[0]?.searchParams.get('min_date_modified')).toBe('Mon, 09 Mar 2026 00:00:00 +0000')
  })

  test('completes the rows of a list with their lines and packages', async () => {
    const { source, feed } = await store([order as Row], { products, shipments })
    const { orders } = await feed.readPage(window, null, live)
    expect([orders[0]?.lines, orders[0]?.packages]).toEqual([[], []])
    const [whole] = (await source.complete?.(orders, live)) ?? []
    expect([whole?.lines.length, whole?.packages.length]).toEqual([2, 1])
  })

  test('waits with an order whose lines fail for now, and reads it without them where they are forbidden', async () => {
    const failing = await store([order as Row], { status: 500 })
    expect((await failure(failing.source.fetch([ref('118')], live))).intent).toBe('retry')
    const forbidden = await store([order as Row], { status: 403 })
    const [snapshot] = (await forbidden.source.fetch([ref('118')], live)).orders
    expect(snapshot?.paid).not.toBeNull()
    expect(snapshot?.doubts.map(({ path }) => path)).toEqual(['lines', 'packages'])
  })

  test('knows no order that the store answers 404 for', async () => {
    const { source } = await store([])
    expect(await source.fetch([ref('7')], live)).toEqual({ orders: [], rejects: [] })
  })
})
