import { spawnSync } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import specs from '@asyncapi/specs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedFiles, writeSchemas } from '../../../src/api/documents/write-schemas.ts'
import { createConsole } from '../../../src/console/console.ts'
import { type Harness, openHarness } from '../harness.ts'

let api: Harness
beforeAll(async () => {
  api = await openHarness()
})
afterAll(() => api.close())

// biome-ignore lint/suspicious/noExplicitAny: documents are read by member
type Document = any
const generated = Object.fromEntries(
  Object.entries(generatedFiles(createConsole()))
    .filter(([name]) => name.endsWith('.json'))
    .map(([name, text]) => [name, JSON.parse(text) as Document]),
)

/** Every `$ref` of a document, resolved within it. */
function brokenRefs(document: Document): string[] {
  const broken: string[] = []
  const walk = (value: Document): void => {
    if (typeof value !== 'object' || value === null) return
    if (typeof value.$ref === 'string') {
      const path = value.$ref.replace(/^#\//, '').split('/')
      if (path.reduce((at: Document, key: string) => at?.[key.replaceAll('~1', '/')], document) === undefined)
        broken.push(value.$ref)
    }
    Object.values(value).forEach(walk)
  }
  walk(document)
  return broken
}

describe('the OpenAPI document', () => {
  test('is a valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    expect(await validator.validate(structuredClone(generated['openapi.json']))).toMatchObject({ valid: true })
    expect(validator.version).toBe('3.1')
    expect(brokenRefs(generated['openapi.json'])).toEqual([])
  })

  test('describes every call of the contract', () => {
    const calls = Object.entries<Document>(generated['openapi.json'].paths).flatMap(([path, item]) =>
      Object.keys(item).map(method => `${method.toUpperCase()} ${path}`),
    )
    for (const call of [
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
      'GET /v1/connections',
      'GET /v1/connections/{id}',
      'POST /v1/connections/{id}/poll',
      'PUT /v1/connections/{id}/orders/{orderId}',
      'PUT /v1/connections/{id}/users/{userId}',
      'GET /v1/orders/{connection}/{orderId}',
      'GET /v1/events',
      'GET /v1/events/{id}',
      'GET /v1/events/stream',
      'GET /v1/endpoints',
      'POST /v1/endpoints',
      'GET /v1/endpoints/{id}',
      'PATCH /v1/endpoints/{id}',
      'DELETE /v1/endpoints/{id}',
      'POST /v1/endpoints/{id}/test',
      'POST /v1/destinations/{id}/pause',
      'POST /v1/destinations/{id}/resume',
      'POST /v1/endpoints/{id}/rotate-secret',
      'POST /v1/destinations/{id}/retry',
      'POST /v1/destinations/{id}/replay',
      'GET /v1/destinations',
      'GET /v1/deliveries',
      'GET /v1/deliveries/{id}',
      'GET /v1/dead-letters',
      'POST /v1/dead-letters/{id}/redrive',
      'POST /v1/dead-letters/redrive',
      'GET /v1/quarantine',
      'POST /v1/quarantine/{id}/retry',
      'GET /openapi.json',
      'GET /asyncapi.json',
      'GET /schemas/order-event-1.json',
      'GET /schemas/order-event-1.d.ts',
      'GET /',
      'POST /hooks/{connection}',
    ])
      expect(calls).toContain(call)
  })

  test('names each operation once', () => {
    const ids = Object.values<Document>(generated['openapi.json'].paths).flatMap(item =>
      Object.values<Document>(item).map(({ operationId }) => operationId),
    )
    expect(new Set(ids).size).toBe(ids.length)
  })
})

/** Every `pattern` of a document, with its place. */
function patternsOf(document: Document, place = ''): [place: string, pattern: string][] {
  if (typeof document !== 'object' || document === null) return []
  return Object.entries<Document>(document).flatMap(([key, value]): [string, string][] =>
    key === 'pattern' && typeof value === 'string'
      ? [[`${place}/pattern`, value]]
      : patternsOf(value, `${place}/${key}`),
  )
}

describe.each(Object.keys(generated))('the patterns of %s', name => {
  const patterns = patternsOf(generated[name])

  test('compile without flags, as JSON Schema tools of any language read them', () => {
    expect(patterns.length).toBeGreaterThan(0)
    for (const [place, pattern] of patterns) expect(() => new RegExp(pattern), place).not.toThrow()
  })

  test('hold nothing that only JavaScript, or only its flags u and v, understand', () => {
    const odd = patterns.filter(([, pattern]) =>
      /\\[pP]\{|\\u\{|\\k<|\\c[A-Za-z]|\(\?<(?![=!])|\(\?[>#]|[*+?}][+]|\[\^?\]/.test(pattern),
    )
    expect(odd).toEqual([])
  })

  test.skipIf(spawnSync('python3', ['--version']).status !== 0)("compile with Python's re", () => {
    const script = 'import json,re,sys\nfor pattern in json.load(sys.stdin): re.compile(pattern)'
    const input = JSON.stringify(patterns.map(([, pattern]) => pattern))
    const { status, stderr } = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

describe('the AsyncAPI document', () => {
  test('is a valid AsyncAPI 3', () => {
    const ajv = new Ajv({ strict: false, allErrors: true })
    addFormats.default(ajv)
    const validate = ajv.compile<Document>(specs.schemasWithoutId['3.0.0'] as Document)
    expect(validate(generated['asyncapi.json']) || validate.errors).toBe(true)
    expect(brokenRefs(generated['asyncapi.json'])).toEqual([])
  })

  test('names the topic, its key and its content type', () => {
    const { channels, components } = generated['asyncapi.json']
    expect(channels['order-events'].address).toBe('order-events')
    expect(components.messages.orderEvent.bindings.kafka.key.type).toBe('string')
    expect(components.messages.orderEvent.contentType).toBe('application/cloudevents+json; charset=utf-8')
  })
})

describe("the event's JSON Schema", () => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
  addFormats.default(ajv)
  const validate = ajv.compile(generated['order-event-1.json'])

  test('fits the events there are', async () => {
    const refund = {
      records: 'unavailable',
      total: '20.00',
      totalUnreadable: false,
      full: true,
      reason: 'late',
      when: null,
    } as const
    const delivered = { when: null }
    const events = await api.seed('shop', 'all', {
      refund,
      delivered,
      cancelled: { when: null, reason: null },
      packages: [],
    })
    expect(events.map(({ type }) => type)).toEqual([
      'order.paid',
      'order.delivered',
      'order.refunded',
      'order.cancelled',
    ])
    for (const { body } of [...events, ...(await api.seed('shop', 'packages'))])
      expect(validate(JSON.parse(body)) || validate.errors).toBe(true)
  })

  test('lets new members come, and nothing be wrong or missing', async () => {
    const [event] = await api.seed('shop', 'one')
    const good = JSON.parse(event?.body ?? '')
    expect(validate({ ...good, traceparent: 'x', data: { ...good.data, extra: 1 } })).toBe(true)
    expect(validate({ ...good, type: 'order.shipped' })).toBe(false)
    expect(validate({ ...good, sequence: '1' })).toBe(false)
    expect(validate({ ...good, data: { ...good.data, payment: { amount: 20 } } })).toBe(false)
  })
})

describe('the generated files', () => {
  test('are those that are served', async () => {
    for (const [path, file, type] of [
      ['/openapi.json', 'openapi.json', 'application/json'],
      ['/asyncapi.json', 'asyncapi.json', 'application/json'],
      ['/schemas/order-event-1.json', 'order-event-1.json', 'application/schema+json'],
    ] as const) {
      const { status, headers, body } = await api.call('GET', path)
      expect(status).toBe(200)
      expect(headers.get('content-type')).toBe(type)
      expect(body).toEqual(generated[file])
    }
    const types = await api.call('GET', '/schemas/order-event-1.d.ts')
    expect(types.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(types.text).toBe(generatedFiles(createConsole())['order-event-1.d.ts'])
  })

  test('in schemas/generated are up to date (else: npm run orderwire -- schemas)', async () => {
    const folder = new URL('../../../schemas/generated/', import.meta.url)
    const files = generatedFiles(createConsole())
    expect((await readdir(folder)).toSorted()).toEqual(Object.keys(files).toSorted())
    for (const [name, text] of Object.entries(files)) expect(await readFile(new URL(name, folder), 'utf8')).toBe(text)
  })

  test('are written where they are wanted', async () => {
    const folder = join(tmpdir(), `orderwire-schemas-${process.pid}`, 'new')
    const paths = await writeSchemas(folder, createConsole())
    expect(await readFile(paths[0] ?? '', 'utf8')).toBe(generatedFiles(createConsole())['openapi.json'])
    await rm(join(folder, '..'), { recursive: true })
  })
})
