import { globSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readSettings } from '../../src/config/environment.ts'
import { headersOf } from '../../src/event-log/kafka/record.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { openTracing } from '../../src/telemetry/open-telemetry.ts'
import { type Tracing, tracing } from '../../src/telemetry/tracing.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { configure, startProgram } from '../helpers/program.ts'
import { createReceiver, type Receiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const root = join(import.meta.dirname, '../..')
const [event, other] = eventsOf('o-1', 2)
if (!event || !other) throw new Error('no events')

describe('without a variable that asks for traces', () => {
  test('none are made', () => {
    expect(readSettings({}).tracing).toBeNull()
    expect(tracing()).toBeNull()
    expect(headersOf(event)).not.toHaveProperty('traceparent')
  })

  test('nothing of OpenTelemetry is loaded: one file imports it, and one line imports that file', () => {
    const files = globSync('src/**/*.ts', { cwd: root })
    const importing = (what: RegExp) => files.filter(file => what.test(readFileSync(join(root, file), 'utf8')))
    expect(importing(/from '@opentelemetry\//)).toEqual(['src/telemetry/open-telemetry.ts'])
    expect(importing(/from '.*\/open-telemetry\.ts'/)).toEqual([])
    expect(importing(/import\('.*open-telemetry\.ts'\)/)).toEqual(['src/cli/start.ts'])
  })
})

describe('the variables of OpenTelemetry', () => {
  const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

  test.each([
    [ENDPOINT, { exporter: 'otlp', ratio: 1 }],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, { exporter: 'otlp', ratio: 1 }],
    [{ OTEL_TRACES_EXPORTER: 'console' }, { exporter: 'console', ratio: 1 }],
    [{ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, null],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }, null],
    [
      { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'always_off' },
      { exporter: 'otlp', ratio: 0 },
    ],
    [
      { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
      { exporter: 'otlp', ratio: 0.1 },
    ],
  ])('%o give %o', (env, expected) => {
    expect(readSettings(env).tracing).toEqual(expected)
  })

  test('are refused by name if they cannot be understood', () => {
    expect(() => readSettings({ ...ENDPOINT, OTEL_TRACES_SAMPLER: 'some' })).toThrow('OTEL_TRACES_SAMPLER')
    expect(() => readSettings({ ...ENDPOINT, OTEL_TRACES_SAMPLER_ARG: '2' })).toThrow('OTEL_TRACES_SAMPLER_ARG')
  })
})

describe('the trace of an event', () => {
  let opened: Tracing | null = null
  afterEach(async () => {
    await opened?.close()
    opened = null
  })
  const open = (ratio: number) => {
    opened = openTracing({ exporter: 'otlp', ratio, version: '0.0.0', warn: () => {} })
    return opened
  }

  test('follows from its id, and is in the header of its Kafka record', async () => {
    const first = open(1)
    const traceparent = first.traceparentOf(event.id)
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(headersOf(event).traceparent).toBe(traceparent)
    expect(first.traceparentOf(other.id).slice(3, 35)).not.toBe(traceparent.slice(3, 35))
    await first.close()
    expect(open(1).traceparentOf(event.id)).toBe(traceparent)
  })

  test('is kept by its attempts, each with a span of its own, also at the same time', async () => {
    const traced = open(1)
    const about = { destination: 'billing', kind: 'endpoint', attempt: 1, replay: false } as const
    const seen = () => traced.traceparent() ?? ''
    const attempt = (of: typeof event) =>
      traced.attempt(of, about, async () => {
        const before = seen()
        await new Promise(resolve => setImmediate(resolve))
        return { result: 'delivered', statusCode: 204, error: null, spans: [before, seen()] }
      })
    const [one, again, another] = await Promise.all([attempt(event), attempt(event), attempt(other)])
    for (const { spans } of [one, again, another]) expect(spans[0]).toBe(spans[1])
    const traceOf = (text = '') => text.split('-')[1]
    expect(traceOf(one.spans[0])).toBe(traceOf(traced.traceparentOf(event.id)))
    expect(traceOf(again.spans[0])).toBe(traceOf(one.spans[0]))
    expect(traceOf(another.spans[0])).toBe(traceOf(traced.traceparentOf(other.id)))
    expect(new Set([one, again, another].map(({ spans }) => spans[0])).size).toBe(3)
    expect(traced.traceparent()).toBeUndefined()
  })

  test('says that it is not sent where the sampler leaves it out', () => {
    expect(open(0).traceparentOf(event.id)).toMatch(/-00$/)
  })
})

const Attribute = z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) })
const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  attributes: z.array(Attribute),
  status: z.object({ code: z.number().optional() }),
})
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(Attribute) }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
})

describe('a program with a collector', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let sandbox: Sandbox
  let collector: Receiver
  let receiver: Receiver

  beforeAll(async () => {
    folder = await temporaryFolder()
    sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    ;[collector, receiver] = await Promise.all([createReceiver(), createReceiver()])
    collector.otherwise = { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }
  })
  afterAll(async () => {
    await Promise.all([sandbox.close(), collector.close(), receiver.close(), folder.remove()])
  })

  test('sends one trace an event: its observation, and below it each attempt, named in the webhook and in the log', async () => {
    await mkdir(join(folder.path, 'handlers'))
    await writeFile(
      join(folder.path, 'handlers/note.mjs'),
      "export default { on: '*', async run(event, { log }) { await null; log.info('noted', { id: event.id }) } }\n",
    )
    receiver.script.push(500)
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      endpoints: [{ id: 'billing', url: receiver.url, delivery: { retries: ['50ms', '50ms', '50ms'] } }],
      network: { allow: ['127.0.0.0/8'] },
    })
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    }
    const program = await startProgram(folder.path, env, [], { withinMs: 60_000 })
    const shop = createShop(sandbox, 5)
    for (let n = 0; n < 4; n++) shop.open()
    for (let n = 0; n < 8; n++) shop.move()
    const idOf = ({ headers }: Receiver['received'][number]) => String(headers['webhook-id'])
    const ofFirst = () => receiver.received.filter(request => idOf(request) === idOf(receiver.received[0] ?? request))
    await until('the first event came, after a failure', () => ofFirst().length === 2)
    const [failed, delivered] = ofFirst()
    const id = delivered === undefined ? '' : idOf(delivered)
    await until('the handler noted it', () => program.output().includes(`"id":"${id}"`))
    expect(await program.end('SIGTERM')).toBe(0)

    const exports = collector.received.flatMap(({ body }) => Export.parse(JSON.parse(body)).resourceSpans)
    const about = exports[0]?.resource.attributes.map(({ key, value }) => [key, value.stringValue])
    expect(about).toEqual(
      expect.arrayContaining([
        ['service.name', 'orderwire'],
        ['deployment.environment.name', 'test'],
      ]),
    )
    const isOfEvent = ({ attributes }: z.infer<typeof Span>) => attributes.some(({ value }) => value.stringValue === id)
    const spans = exports.flatMap(({ scopeSpans }) => scopeSpans.flatMap(each => each.spans)).filter(isOfEvent)
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1)

    const first = spans.find(({ name }) => name.startsWith('observe order.'))
    expect(first?.parentSpanId).toBeUndefined()
    const attempts = spans.filter(({ name }) => name.startsWith('deliver '))
    expect(new Set(attempts.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([first?.spanId]))
    expect(attempts.map(({ name, status }) => [name, status.code ?? 0]).sort()).toEqual([
      ['deliver billing', 0],
      ['deliver billing', 2],
      ['deliver note', 0],
    ])
    const ofBilling = attempts.filter(({ name }) => name === 'deliver billing')
    expect([failed, delivered].map(request => request?.headers.traceparent).sort()).toEqual(
      ofBilling.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`).sort(),
    )

    const lines = program
      .output()
      .split('\n')
      .flatMap(line => (line.startsWith('{') ? [JSON.parse(line)] : []))
    const line = (message: string) => lines.find(({ msg, ...of }) => msg === message && (of.id ?? of.event) === id)
    expect(line('delivery failed')).toMatchObject({ trace_id: first?.traceId })
    expect(line('noted')).toMatchObject({
      trace_id: first?.traceId,
      span_id: attempts.find(({ name }) => name === 'deliver note')?.spanId,
    })
    expect(String(delivered?.body)).not.toContain('traceparent')
  })
})
