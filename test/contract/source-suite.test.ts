import { type SourceTest, sourceChecks } from 'orderwire/testing'
import { expect, test } from 'vitest'
import { SHOPLAZZA } from '../../schemas/vendor/connections.ts'
import { AppError } from '../../src/lib/errors.ts'
import { SHOPLAZZA_TOKEN } from '../../src/sandbox/shoplazza.ts'
import { defineSource, type VendorSource } from '../../src/sources/define-source.ts'
import { createShoplazza } from '../../src/sources/shoplazza/shoplazza.ts'
import { shoplazzaWebhook } from '../../src/sources/shoplazza/shoplazza-webhook.ts'
import type { WebhookReader, WindowFeed } from '../../src/sources/source.ts'
import { shoplazza } from './simulated-vendors.ts'

/** The suite for authors of sources finds defects: each is planted into a source that is well. */

type Defect = (well: VendorSource & { feed: WindowFeed }) => Partial<VendorSource>

const withDefect = (defect: Defect, hook: Partial<WebhookReader> = {}): SourceTest => ({
  source: defineSource({
    ...SHOPLAZZA,
    vendor: 'planted',
    limit: { perSecond: 1, burst: 1 },
    create(deps) {
      const well = createShoplazza(deps) as VendorSource & { feed: WindowFeed }
      return { ...well, ...defect(well) }
    },
    webhook: ({ webhookSecret }) => ({ ...shoplazzaWebhook([webhookSecret ?? ''].flat()), ...hook }),
  }),
  open: shoplazza('2022-01'),
  proves: ['paid', 'shipped', 'delivered', 'refunded', 'cancelled'],
  secrets: [SHOPLAZZA_TOKEN],
  personal: ['Enamel mug', 'Printed t-shirt', 'Canvas bag', 'Cotton cap', 'Cushion cover', 'Poster, A2'],
})

const pageWith =
  (change: (page: Awaited<ReturnType<WindowFeed['readPage']>>) => object): Defect =>
  ({ feed }) => ({
    feed: {
      ...feed,
      async readPage(...asked) {
        const page = await feed.readPage(...asked)
        return { ...page, ...change(page) }
      },
    },
  })

let count = 0
const DEFECTS: readonly (readonly [defect: string, broken: RegExp, test: SourceTest])[] = [
  [
    'forgets the last row of a page',
    /page by page/,
    withDefect(pageWith(({ orders }) => ({ orders: orders.slice(0, 249) }))),
  ],
  ['stops after the first page', /page by page/, withDefect(pageWith(() => ({ next: null })))],
  [
    'names the same page for ever',
    /page by page/,
    withDefect(pageWith(({ orders }) => ({ next: orders.length ? '{"token":null,"page":1,"before":0}' : null }))),
  ],
  ['miscounts', /page by page/, withDefect(pageWith(() => ({ total: 7 })))],
  [
    'ignores the window',
    /very update time/,
    withDefect(({ feed }) => ({
      feed: { ...feed, readPage: ({ to }, page, options) => feed.readPage({ from: 0, to: to + 864e5 }, page, options) },
    })),
  ],
  [
    'leaves out the bound of a window',
    /very update time/,
    withDefect(({ feed }) => ({
      feed: {
        ...feed,
        readPage: ({ from, to }, page, options) => feed.readPage({ from: from + 1000, to }, page, options),
      },
    })),
  ],
  ['turns rows round', /in their order/, withDefect(() => ({ complete: async rows => [...rows].reverse() }))],
  ['finds nothing by itself', /proves paid/, withDefect(() => ({ fetch: async () => ({ orders: [], rejects: [] }) }))],
  [
    'invents a payment',
    /proves nothing/,
    withDefect(
      pageWith(({ orders }) => ({
        orders: orders.map(order => ({ ...order, paid: { when: null, amount: null, method: null } })),
      })),
    ),
  ],
  [
    'says something new each time',
    /same snapshot/,
    withDefect(pageWith(({ orders }) => ({ orders: orders.map(order => ({ ...order, status: `${count++}` })) }))),
  ],
  [
    'drops the update time',
    /names the update time/,
    withDefect(pageWith(({ orders }) => ({ orders: orders.map(order => ({ ...order, updatedAt: null })) }))),
  ],
  [
    'is no snapshot',
    /proves nothing/,
    withDefect(pageWith(({ orders }) => ({ orders: orders.map(order => ({ ...order, total: 'much' })) }))),
  ],
  ['holds personal data', /keeps the buyer out/, withDefect(() => ({}))],
  [
    'takes a failure for an empty list',
    /retry when the vendor answers status 500/,
    withDefect(({ feed }) => ({
      feed: {
        ...feed,
        readPage: (...asked) =>
          feed.readPage(...asked).catch(() => ({ orders: [], rejects: [], next: null, total: 0, pageSize: 1 })),
      },
    })),
  ],
  [
    'throws errors without an intent',
    /retry when the vendor answers a page of HTML/,
    withDefect(({ feed }) => ({
      feed: { ...feed, readPage: (...asked) => feed.readPage(...asked).catch(() => Promise.reject(new Error('?'))) },
    })),
  ],
  [
    'goes on with refused credentials',
    /stop when the vendor answers status 401/,
    withDefect(({ feed }) => ({
      feed: {
        ...feed,
        readPage: (...asked) =>
          feed.readPage(...asked).catch(() => Promise.reject(new AppError('no', { code: 'x', intent: 'retry' }))),
      },
    })),
  ],
  ['shows its token', /says in `check`/, withDefect(() => ({ check: async () => `answers to ${SHOPLAZZA_TOKEN}` }))],
  [
    'takes a failure for a missing order',
    /believes no failure/,
    withDefect(() => ({ fetch: async () => ({ orders: [], rejects: [] }) })),
  ],
  ['cannot be called off', /called off/, withDefect(() => ({ check: async () => 'answers' }))],
  ['takes every webhook', /refuses a webhook/, withDefect(() => ({}), { verify: () => true })],
  ['takes no webhook', /takes a webhook/, withDefect(() => ({}), { verify: () => false })],
  [
    'reads another order',
    /takes a webhook/,
    withDefect(() => ({}), { read: () => ({ orders: [], deliveryId: null, topic: null }) }),
  ],
  [
    'swallows a broken body',
    /throws on a body/,
    withDefect(() => ({}), { read: () => ({ orders: [], deliveryId: null, topic: null }) }),
  ],
]

test.each(DEFECTS)('a source that %s fails the check that it should fail', async (_, broken, options) => {
  const found = sourceChecks(options).filter(({ name }) => broken.test(name))
  expect(found.length).toBeGreaterThan(0)
  await expect(found[0]?.run()).rejects.toThrow()
})

test('a source that is well fails none of these checks', async () => {
  const well = { ...withDefect(() => ({})), personal: [] }
  const names = DEFECTS.map(([, name]) => name)
  for (const { name, run } of sourceChecks(well)) if (names.some(each => each.test(name))) await run()
})
