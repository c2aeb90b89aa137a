import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRowMemory } from '../../../src/ingest/row-memory.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { parseJson } from '../../../src/lib/exact-json.ts'
import { createKakaclo } from '../../../src/sources/kakaclo/kakaclo.ts'
import type { VendorHttp } from '../../../src/sources/shared/http.ts'
import { createShoplazza } from '../../../src/sources/shoplazza/shoplazza.ts'
import type { FeedPage, KnownRows, WindowFeed } from '../../../src/sources/source.ts'
import { mutated, mutations } from '../../fuzz/mutations.ts'
import { named, SAMPLES } from '../../fuzz/samples.ts'
import { PATIENCE, runs } from '../../fuzz/settings.ts'
import { textOf } from '../../fuzz/tree.ts'

const window = { from: 0, to: Date.now() }
const options = { signal: new AbortController().signal, priority: 'live' as const }
const lease = { name: 'connection/shop', owner: 'one', epoch: 1 }

/** A source whose vendor answers with this text. */
function feedOf(kind: string, answer: { text: string }): WindowFeed {
  const http: VendorHttp = {
    get: async (path: string) => ({
      ...{ status: 200, headers: {}, text: answer.text },
      json: () => parseJson(answer.text, path),
    }),
    vendorNow: systemClock().now,
    offsetKnown: true,
    close: async () => {},
  }
  const apiVersion = kind.split(' ')[1] ?? ''
  const source = kind.startsWith('kakaclo')
    ? createKakaclo({
        connection: { apiVersion: apiVersion === 'v1' ? 'v1' : 'v2', token: 't', currency: 'USD' },
        http,
      })
    : createShoplazza({
        connection: { baseUrl: `https://shop.example/openapi/${apiVersion}`, apiVersion, accessToken: 't' },
        http,
      })
  if (source.feed.kind !== 'window') throw new Error('these sources list by time')
  return source.feed
}

const envelopes: Record<string, (rows: readonly string[], total: number) => string> = {
  kakaclo: (rows, total) =>
    `{"code":10000,"message":"ok","data":{"total":${total},"pageSize":250,"list":[${rows.join(',')}]}}`,
  shoplazza: (rows, total) => `{"count":${total},"has_more":false,"orders":[${rows.join(', ')}]}`,
  'shoplazza in an envelope': (rows, total) =>
    `{"code":"success","data":{"count":${total},"orders":[\n${rows.join(',')}]}}`,
}

const read = async (feed: WindowFeed, known?: KnownRows): Promise<FeedPage | string> =>
  feed.readPage(window, null, known ? { ...options, known } : options).catch(messageOf)

/** The page as the general way reads it, made of what was skipped and of what was not. */
function whole(page: FeedPage): unknown {
  const { skipped, bytes: _, ...rest } = page
  const again = (skipped?.rows ?? []).map((row, at) => ({ row, order: skipped?.read(at) }))
  for (const { row, order } of again) expect(order).toMatchObject({ orderId: row.orderId, updatedAt: row.updatedAt })
  const orders = [...page.orders, ...again.map(({ order }) => order)]
  return { ...rest, orders: orders.map(order => JSON.stringify(order)).sort() }
}

const kinds = SAMPLES.filter(({ kind }) => !kind.startsWith('tuya')).flatMap(sample =>
  Object.keys(envelopes)
    .filter(name => sample.kind.startsWith(name.split(' ')[0] ?? ''))
    .map(name => [sample.kind, name, sample, envelopes[name]] as const),
)

describe.each(kinds)('%s, rows as %s answers', (kind, _, sample, envelope) => {
  const ids = ['o-1', 'o-2', 'o-3', 'o-4', 'o-5']
  const usual = ids.map(id => textOf(named(sample, sample.row, id)))

  async function knowing(feed: WindowFeed, which: (orderId: string) => boolean) {
    const memory = createRowMemory(100)
    const known = memory.begin(lease)
    const page = await read(feed, known)
    if (typeof page === 'string' || !page.bytes) throw new Error('the usual page can be read')
    memory.remember(
      memory.moment(),
      page.orders.filter(({ orderId }) => which(orderId)),
      page.bytes,
    )
    return { memory, known }
  }

  test('a page of known rows is not parsed', async () => {
    const answer = { text: envelope?.(usual, 5) ?? '' }
    const feed = feedOf(kind, answer)
    const { known } = await knowing(feed, () => true)
    const page = await read(feed, known)
    expect(page).toMatchObject({
      orders: [],
      rejects: [],
      total: 5,
      skipped: { rows: ids.map(orderId => ({ orderId })) },
    })
  })

  test('an order that occurs twice makes the whole page be read', async () => {
    const answer = { text: envelope?.(usual, 5) ?? '' }
    const feed = feedOf(kind, answer)
    const { known } = await knowing(feed, () => true)
    answer.text = envelope?.([...usual, usual[0]?.replace('{', '{"extra":1,') ?? ''], 6) ?? ''
    const page = await read(feed, known)
    expect(page).toMatchObject({ orders: [...ids, 'o-1'].map(orderId => ({ orderId })) })
    expect(page).not.toHaveProperty('skipped')
  })

  test(
    'skipping known rows gives the orders that the general way gives, whatever became of the rows',
    async () => {
      const change = fc.record({
        place: fc.nat(4),
        how: fc.constantFrom('mutate', 'remove', 'repeat', 'move', 'add'),
        changes: mutations,
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { maxLength: 3 }),
          fc.array(fc.constantFrom(...ids), { maxLength: 5 }),
          async (steps, some) => {
            const answer = { text: envelope?.(usual, 5) ?? '' }
            const feed = feedOf(kind, answer)
            const { known } = await knowing(feed, orderId => !some.includes(orderId))
            const rows = [...usual]
            for (const { place, how, changes } of steps) {
              const at = place % Math.max(1, rows.length)
              const row = rows[at] ?? ''
              if (how === 'mutate') rows[at] = textOf(mutated(named(sample, sample.row, ids[place] ?? ''), changes))
              if (how === 'remove') rows.splice(at, 1)
              if (how === 'repeat') rows.push(row)
              if (how === 'move') rows.push(...rows.splice(at, 1))
              if (how === 'add') rows.splice(at, 0, textOf(named(sample, sample.row, `new-${place}`)))
            }
            answer.text = envelope?.(rows, rows.length) ?? ''
            const [general, fast] = [await read(feed), await read(feed, known)]
            if (typeof general === 'string' || typeof fast === 'string') return expect(fast).toEqual(general)
            expect(whole(fast)).toEqual(whole(general))
          },
        ),
        runs(40),
      )
    },
    PATIENCE,
  )
})
