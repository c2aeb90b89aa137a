import { hash } from 'node:crypto'
import { context, DiagLogLevel, diag, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { systemClock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import { setTracing, type Tracing, type TracingSettings } from './tracing.ts'

/** What waits to be sent at the end gets this long: a collector that is away must not hold up the stop. */
const FLUSH_MS = 1_000

/** Begins to trace through OpenTelemetry's own packages. Load this file only if traces are asked for. */
export function openTracing({ exporter, ratio, version, warn }: TracingSettings): Tracing {
  diag.setLogger(firstTrouble(warn), DiagLogLevel.WARN)
  /** The ids of the next span, where they follow from an event; null: random ones. */
  let ids: { traceId: string; spanId: string } | null = null
  const random = new RandomIdGenerator()
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'orderwire', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    idGenerator: {
      generateTraceId: () => ids?.traceId ?? random.generateTraceId(),
      generateSpanId: () => ids?.spanId ?? random.generateSpanId(),
    },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: exporter === 'console' ? new ConsoleSpanExporter() : new OTLPTraceExporter(),
      }),
    ],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(provider)
  const tracer = provider.getTracer('orderwire', version)

  /** The first span of an event's trace. Made again in another process it is the same one, and is not ended there, so not sent twice. */
  function firstSpan(eventId: string, about?: { name: string; startTime: number; attributes: Attributes }): Span {
    const digest = hash('sha256', eventId, 'hex')
    ids = { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) }
    try {
      return tracer.startSpan(about?.name ?? 'event', { ...about, root: true, kind: SpanKind.PRODUCER })
    } finally {
      ids = null
    }
  }

  const opened: Tracing = {
    observed(events) {
      for (const event of events)
        firstSpan(event.id, {
          name: `observe ${event.type}`,
          startTime: event.observedAt,
          attributes: { ...attributesOf(event), 'orderwire.occurred_at': new Date(event.occurredAt).toISOString() },
        }).end()
    },

    attempt(event, { destination, kind, attempt, replay }, run) {
      const parent = trace.setSpanContext(context.active(), { ...firstSpan(event.id).spanContext(), isRemote: true })
      const attributes = {
        ...attributesOf(event),
        ...{ 'orderwire.destination': destination, 'orderwire.destination.kind': kind },
        ...{ 'orderwire.attempt': attempt, 'orderwire.replay': replay },
      }
      const options = { kind: kind === 'endpoint' ? SpanKind.CLIENT : SpanKind.CONSUMER, attributes }
      const span = tracer.startSpan(`deliver ${destination}`, options, parent)
      return context.with(trace.setSpan(parent, span), async () => {
        try {
          const outcome = await run()
          if (outcome.statusCode !== null) span.setAttribute('http.response.status_code', outcome.statusCode)
          span.setAttribute('orderwire.result', outcome.result)
          if (outcome.result !== 'delivered')
            span.setStatus({ code: SpanStatusCode.ERROR, ...(outcome.error !== null && { message: outcome.error }) })
          return outcome
        } finally {
          span.end()
        }
      })
    },

    traceparentOf: eventId => traceparent(firstSpan(eventId)),

    traceparent() {
      const span = trace.getActiveSpan()
      return span && traceparent(span)
    },

    fields(eventId) {
      const span = eventId === undefined ? trace.getActiveSpan() : firstSpan(eventId)
      if (!span) return {}
      const { traceId, spanId } = span.spanContext()
      return { trace_id: traceId, span_id: spanId }
    },

    async close() {
      setTracing(null)
      const done = new AbortController()
      await Promise.race([provider.shutdown().catch(() => {}), systemClock().sleep(FLUSH_MS, done.signal)])
      done.abort()
      diag.disable()
      trace.disable()
      context.disable()
    },
  }
  setTracing(opened)
  return opened
}

type Attributes = Readonly<Record<string, string | number | boolean>>

/** No value of the order itself: traces go to other systems. */
const attributesOf = ({ id, type, connection, orderId, sequence }: EventRecord): Attributes => ({
  'cloudevents.event_id': id,
  'cloudevents.event_type': type,
  'orderwire.connection': connection,
  'orderwire.order': orderId,
  'orderwire.sequence': sequence,
})

function traceparent(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-${traceFlags & TraceFlags.SAMPLED ? '01' : '00'}`
}

/** Traces that cannot be sent are worth one line, not one every five seconds. */
function firstTrouble(warn: (message: string) => void) {
  let told = false
  const tell = (message: string) => {
    if (!told) warn(message)
    told = true
  }
  const ignore = () => {}
  return { error: tell, warn: tell, info: ignore, debug: ignore, verbose: ignore }
}
