import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedFiles } from '../../src/api/documents/write-schemas.ts'
import { createConsole } from '../../src/console/console.ts'
import { BODY_MEMBERS } from '../helpers/body-members.ts'
import { env, type Harness, NOW, openHarness } from './harness.ts'

// biome-ignore lint/suspicious/noExplicitAny: documents are read by member
type Document = any
const openApi: Document = JSON.parse(generatedFiles(createConsole())['openapi.json'] ?? '')

const KEY = 'the-key-of-these-calls'
const AS = { headers: { authorization: `Bearer ${KEY}` } }
let api: Harness
beforeAll(async () => {
  // Keys that a call makes must not lock out the next one.
  api = await openHarness({ localKey: KEY })
  const events = await api.seed('shop', 'a/b', { doubts: [{ path: 'x', value: '1', reason: 'odd' }] })
  await api.seed('kk', '1')
  const url = 'https://hooks.example/'
  await api.call('POST', '/v1/endpoints', { body: { id: 'a', url } })
  const spills = events.map(event => ({ destination: 'a', event, origin: 'live' as const }))
  await api.store.lanes.spill(spills, { nextAt: NOW, attempt: 1 })
  const [event] = events
  if (event)
    await api.store.lanes.deadLetter({
      destination: 'a',
      orderKey: event.orderKey,
      eventId: event.id,
      at: NOW,
      attempts: 2,
      lastError: 'no',
      hold: false,
    })
})
afterAll(() => api.close())

/** Objects may have no members but those that are described: the API promises nothing that is not in the document. */
function strict(schema: Document): Document {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  return copy.type === 'object' && copy.properties && !('additionalProperties' in copy)
    ? { ...copy, additionalProperties: false }
    : copy
}

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
ajv.addSchema({ $id: 'openapi', components: strict(openApi.components) })
const compiled = new Map<string, ValidateFunction>()

function validatorOf(response: Document, type: string): ValidateFunction {
  const resolved = response.$ref ? openApi.components.responses.Problem : response
  const schema = resolved.content?.[type]?.schema
  expect(schema, `an answer of type ${type} is described`).toBeDefined()
  const text = JSON.stringify(strict(schema)).replaceAll('"#/', '"openapi#/')
  let validate = compiled.get(text)
  if (!validate) {
    validate = ajv.compile(JSON.parse(text))
    compiled.set(text, validate)
  }
  return validate
}

const templates: [string, Document][] = Object.entries(openApi.paths)
const fits = (template: string, path: string): boolean => {
  const parts = template.split('/')
  const segments = path.split('/')
  return (
    parts.length === segments.length &&
    parts.every((part, index) => (part.startsWith('{') ? segments[index] !== '' : part === segments[index]))
  )
}

/** The answer is one that the document describes. */
async function expectDescribed(method: string, path: string, response: Response): Promise<void> {
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? ''
  if (type === 'text/event-stream') return void (await response.body?.cancel())
  const text = await response.text()
  expect(response.status, text).toBeLessThan(500)
  const matches = templates.filter(([template]) => fits(template, path))
  // A template without names is matched first.
  const [, item] = matches.find(([template]) => template === path) ?? matches[0] ?? []
  const operation = item?.[method.toLowerCase()]
  const described = operation?.responses[response.status] ?? { $ref: 'Problem' }
  if (response.status === 204) return void expect(text).toBe('')
  if (response.status >= 400) expect(type).toBe('application/problem+json')
  const validate = validatorOf(described, type)
  if (!type.includes('json')) return
  for (const body of type === 'application/jsonl' ? text.split('\n').filter(Boolean) : [text])
    expect(validate(JSON.parse(body)) || { errors: validate.errors, text: body.slice(0, 500) }).toBe(true)
}

const oneOf = (...values: string[]) => fc.constantFrom(...values)
const ids = fc.oneof(
  {
    weight: 3,
    arbitrary: oneOf(
      'a',
      'shop',
      'kk',
      'tuya',
      'off',
      'audit',
      'a/b',
      '1',
      'a:evt_1',
      'redrive',
      '..',
      '%',
      '\0',
      '😀',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)
const operations = templates.flatMap(([template, item]) =>
  Object.keys(item).map(method => [method.toUpperCase(), template] as const),
)
const filled = (template: string) =>
  fc.tuple(ids, ids).map(values => {
    let index = 0
    return template.replace(/\{\w+\}/g, () => encodeURIComponent((values[index++] || 'x').toWellFormed()))
  })
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const call = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(...operations)
      .chain(([method, template]) => fc.tuple(fc.constant(method), filled(template))),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom(...methods),
      fc.constantFrom(...templates.map(([template]) => template)).chain(filled),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...methods), fc.webPath()) },
)
const names = [
  'limit',
  'after',
  'type',
  'connection',
  'order',
  'since',
  'until',
  'destination',
  'event',
  'status',
  'dryRun',
  'user',
  'lastEventId',
  '__proto__',
  'x',
]
const values = fc.oneof(
  oneOf(
    '1',
    '250',
    '251',
    '0',
    '-1',
    '1e3',
    'true',
    'dead',
    'shop',
    'kk,shop',
    'a',
    'order.paid',
    'order.paid,order.lost',
    '2026-03-05T12:00:00Z',
    '2026-13-01',
    '0000-01-01',
    '',
    '\0',
    'ZXZlbnRzOjE',
    'ZXZlbnRzOng',
    'ZGVsaXZlcmllczp4',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const query = fc
  .array(fc.tuple(fc.constantFrom(...names), values), { maxLength: 3 })
  .map(pairs =>
    pairs.length === 0
      ? ''
      : `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&')}`,
  )
const member = fc.oneof(
  fc.constantFrom<unknown>(
    'a',
    'read',
    'https://hooks.example/',
    'order.paid',
    ['order.paid'],
    ['shop'],
    '2026-01-01',
    null,
    {},
    [],
    -1,
    Number.POSITIVE_INFINITY,
    'a\0',
    '\ud800',
    { timeout: '5s' },
    { timeout: '1e9s' },
    { retries: ['5s'] },
    { rateLimit: '2/s' },
    { rateLimit: '0/s' },
  ),
  fc.jsonValue({ maxDepth: 3 }),
)
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  {
    weight: 5,
    arbitrary: fc
      .dictionary(fc.constantFrom(...BODY_MEMBERS), member, { maxKeys: 4 })
      .map(value => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
)
const oddHeaders = fc.dictionary(
  oneOf(
    'content-type',
    'origin',
    'host',
    'last-event-id',
    'authorization',
    'content-length',
    'accept',
    'x-shoplazza-hmac-sha256',
    'content-encoding',
    'sec-fetch-site',
  ),
  fc.oneof(
    oneOf(
      'application/json',
      'text/html',
      'null',
      'localhost',
      'http://localhost',
      'https://evil.example',
      'evt_1',
      '12',
      'Bearer x',
      'cross-site',
      'identity',
    ),
    fc.string({ maxLength: 20 }),
  ),
  { maxKeys: 2 },
)
const headers = fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: oddHeaders })

describe('whatever is sent', () => {
  test('the answer is one that the OpenAPI document describes, and never a 500', async () => {
    await fc.assert(
      fc.asyncProperty(call, query, body, headers, async ([method, path], query, body, headers) => {
        let request: Request
        try {
          const usual: Record<string, string> = body === '' ? {} : { 'content-type': 'application/json' }
          const bodyless = method === 'GET' || method === 'HEAD' || body === ''
          request = new Request(`http://localhost${path}${query}`, {
            method,
            headers: { authorization: `Bearer ${KEY}`, ...usual, ...headers },
            ...(!bodyless && { body }),
          })
        } catch {
          return // not a request at all
        }
        const response = await api.app.fetch(request, env())
        expect(response.status).toBeLessThan(500)
        if (method !== 'HEAD') await expectDescribed(method, new URL(request.url).pathname, response)
      }),
      { numRuns: 3000 },
    )
  })

  test('the calls that are in order answer what is described', async () => {
    const dead = (await api.call('GET', '/v1/dead-letters', AS)).body.data[0]?.id ?? 'gone'
    const event = (await api.call('GET', '/v1/events', AS)).body.data[0].id
    for (const [method, path, body] of [
      ['GET', '/v1/connections'],
      ['GET', '/v1/connections/shop'],
      ['POST', '/v1/connections/shop/poll'],
      ['GET', '/v1/orders/shop/a%2Fb'],
      ['GET', '/v1/events'],
      ['GET', `/v1/events/${event}`],
      ['POST', '/v1/endpoints', { url: 'https://hooks.example/', delivery: { timeout: '5s', rateLimit: '2/s' } }],
      ['GET', '/v1/endpoints'],
      ['GET', '/v1/destinations'],
      ['GET', '/v1/deliveries'],
      ['GET', '/v1/dead-letters'],
      ['POST', `/v1/dead-letters/${encodeURIComponent(dead)}/redrive`],
      ['GET', '/v1/quarantine'],
      ['POST', '/v1/keys', { name: 'a report', role: 'read' }],
      ['GET', '/v1/keys'],
      ['GET', '/readyz'],
      ['GET', '/openapi.json'],
    ] as const) {
      const authorization = `Bearer ${KEY}`
      const init =
        body === undefined
          ? { headers: { authorization } }
          : { body: JSON.stringify(body), headers: { authorization, 'content-type': 'application/json' } }
      await expectDescribed(method, path, await api.app.request(path, { method, ...init }, env()))
    }
  })
})
