import { describe, expect, test } from 'vitest'
import { Config } from '../../schemas/config.ts'
import { complaintsOf, keyOf } from '../../src/lib/explain.ts'
import { describedBy } from '../sources/rest/described.ts'

/** What is said of a description with these changes, as the command line says it. */
function complaints(changes: Record<string, unknown>): string[] {
  const { rateLimit: _, ...connection } = { ...structuredClone(INPUT), ...changes }
  const input = { connections: [connection] }
  const parsed = Config.safeParse(input)
  if (parsed.success) return []
  return complaintsOf(parsed.error, input).map(({ path, expected, found }) => `${keyOf(path)}: ${expected}, ${found}`)
}

const INPUT: Record<string, unknown> = {
  id: 'x',
  vendor: 'rest',
  baseUrl: 'https://api.test',
  auth: { type: 'none' },
  list: {
    path: '/orders',
    size: { value: 2 },
    paging: { type: 'none' },
    updated: { since: '{from}', until: '{to}' },
  },
  one: { path: '/orders/{id}' },
  order: { id: '$.id', updatedAt: '$.updated' },
}
const list = (changes: object) => ({ list: { ...(INPUT.list as object), ...changes } })
const order = (changes: object) => ({ order: { ...(INPUT.order as object), ...changes } })

describe('the description of an API', () => {
  test('is complete with what it must name', () => {
    expect(complaints({})).toEqual([])
    expect(describedBy().list).toMatchObject({ rows: '$.orders', times: { format: 'rfc3339', precision: '1s' } })
  })

  test.each([
    [{ auth: undefined }, /auth: .*found nothing|auth: .*nothing/],
    [{ auth: { type: 'oauth' } }, /auth\.type: .*bearer.*basic/],
    [{ auth: { type: 'basic', username: 'u' } }, /auth\.password: a string, nothing/],
    [list({ path: 'orders' }), /list\.path: a path that begins with "\/"/],
    [list({ updated: { since: '{from}' } }), /list\.updated: parameters with \{from\} and \{to\}/],
    [list({ rows: '$.orders[*]' }), /list\.rows: a JSONPath to one place/],
    [list({ paging: { type: 'page' } }), /list\.paging\.param: a string, nothing/],
    [list({ total: 'X-Total' }), /list\.total: where the answer tells it/],
    [list({ times: { zone: 'Mars/Olympus' } }), /list\.times\.zone: a time zone such as/],
    [{ one: { path: '/orders' } }, /one\.path: a path with \{id\}/],
    [order({ id: 'id' }), /order\.id: a JSONPath \(RFC 9535\) such as .*expected '\$'/],
    [order({ total: { path: '$.x', unit: 'cents' } }), /order\.total\.unit: "decimal" or "minor", "cents"/],
    [order({ number: ['$.a', '$['] }), /order\.number\[1\]: a JSONPath/],
    [order({ paid: {} }), /order\.paid\.when: a condition such as/],
    [order({ paid: { when: { path: '$.s', words: [] } } }), /order\.paid\.when\.words: a known key/],
    [order({ refunds: { rows: '$.r', amount: '$.a' } }), /order\.refunds\.id: /],
    [{ extra: 1 }, /extra: a known key/],
  ])('with %j is refused by key', (changes, message) => {
    expect(complaints(changes).join('\n')).toMatch(message)
    expect(complaints(changes)[0]).toMatch(/^connections\[0\]\./)
  })
})
