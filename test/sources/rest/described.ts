import { RestConnection } from '../../../schemas/vendor/connections.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createRest } from '../../../src/sources/rest/rest.ts'
import { recordingLog } from '../../helpers/quiet.ts'
import { answering, loopback } from '../loopback.ts'

type Input = Parameters<typeof RestConnection.parse>[0]
type Answer = Parameters<typeof loopback>[0]

export const live = { signal: new AbortController().signal, priority: 'live' } as const

const SMALLEST = {
  id: 'x',
  vendor: 'rest',
  auth: { type: 'bearer', token: 't0ken' },
  list: {
    path: '/orders',
    rows: '$.orders',
    size: { value: 2 },
    paging: { type: 'none' },
    updated: { since: '{from}', until: '{to}' },
  },
  one: { path: '/orders/{id}' },
  order: { id: '$.id', updatedAt: { path: '$.updated', format: 'text' } },
} as const

/** The smallest description, with changes: objects are merged by one level. */
export function describedBy(changes: Record<string, unknown> = {}): RestConnection {
  const merged = Object.entries(changes).map(([key, value]) => {
    const base = (SMALLEST as Record<string, unknown>)[key]
    const both = typeof base === 'object' && typeof value === 'object' && key !== 'auth'
    return [key, both ? { ...base, ...value } : value]
  })
  return RestConnection.parse({
    ...SMALLEST,
    baseUrl: 'http://127.0.0.1:1/api',
    ...Object.fromEntries(merged),
  } as Input)
}

/** A source by such a description, and a vendor that answers as told. */
export async function described(changes: Record<string, unknown>, answer: Answer | readonly unknown[]) {
  const { http, requests } = await loopback(typeof answer === 'function' ? answer : answering(...answer), {
    path: '/api',
  })
  const { log, lines } = recordingLog()
  const connection = describedBy(changes)
  const source = createRest({ connection, http, clock: systemClock(), log })
  if (source.feed.kind !== 'window') throw new Error('expected a feed of windows')
  return { source, feed: source.feed, requests, lines }
}

/** The snapshot of one row by these fields. */
export async function snapshotOf(order: Record<string, unknown>, row: Record<string, unknown>, more: object = {}) {
  const { source } = await described({ order, ...more }, [{ id: '1', updated: '2026-03-02T10:15:30Z', ...row }])
  const { orders, rejects } = await source.fetch([{ orderId: '1', userId: null }], live)
  const [snapshot] = orders
  if (!snapshot) throw new Error(`no order: ${JSON.stringify(rejects)}`)
  return snapshot
}
