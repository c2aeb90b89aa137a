import { z } from 'zod'
import { Alerts } from './alert.ts'
import { HttpUrl, Slug } from './common.ts'
import {
  type Connection as AnyConnection,
  Duration,
  isSourceSchema,
  RateLimit,
  type SourceSchema,
  Span,
  UNITS,
} from './connection.ts'
import { EndpointFilter, EndpointHeaders, EndpointSecret } from './endpoint.ts'
import { EventType } from './order-event.ts'
import { BUILT_IN } from './vendor/connections.ts'

export { Duration, RateLimit } from './connection.ts'

/** A connection as a person writes it, of a vendor that needs no source of their own. */
export type ConnectionInput = z.input<(typeof BUILT_IN)[number]>

/** The connections of the vendors known by themselves and of `sources`; the first source of a vendor counts. */
function connectionsOf(sources: readonly SourceSchema[]): z.ZodType<AnyConnection, ConnectionInput> {
  const known = new Set<string>(VENDORS)
  const further = sources.filter(({ vendor }) => !known.has(vendor) && known.add(vendor)).map(each => each.connection)
  // What a source brings is an object with its vendor's name in `vendor`: connectionSchema made it.
  const all = [...BUILT_IN, ...further] as unknown as typeof BUILT_IN
  return z.discriminatedUnion('vendor', all)
}

const VENDORS: readonly string[] = BUILT_IN.map(each => each.shape.vendor.value)
export const Connection = connectionsOf([])
export type Connection = AnyConnection

/** Delivery options as given, for one endpoint: absent ones come from the global ones. */
export const DeliveryOptions = z.strictObject({
  timeout: Span.optional(),
  retries: z.array(Duration).max(50).optional(),
  concurrency: z.number().int().min(1).max(1000).optional(),
  rateLimit: RateLimit.optional(),
  onExhausted: z.enum(['continue', 'hold']).optional(),
})

/** Delivery options in force. Times in milliseconds. */
export interface Delivery {
  readonly timeout: number
  /** Pauses before the second, third, … attempt; when they are used up the event is dead. */
  readonly retries: readonly number[]
  readonly concurrency: number
  readonly rateLimit: RateLimit | null
  readonly onExhausted: 'continue' | 'hold'
}

const [SECOND, MINUTE, HOUR, DAY] = [UNITS.s, UNITS.m, UNITS.h, UNITS.d]

export const DEFAULT_DELIVERY: Delivery = {
  timeout: 15 * SECOND,
  retries: [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
  concurrency: 16,
  rateLimit: null,
  onExhausted: 'continue',
}

/** `options` over those in force. */
export const withOptions = (
  delivery: Delivery,
  options: z.infer<typeof DeliveryOptions> | null | undefined,
): Delivery => ({
  timeout: options?.timeout ?? delivery.timeout,
  retries: options?.retries ?? delivery.retries,
  concurrency: options?.concurrency ?? delivery.concurrency,
  rateLimit: options?.rateLimit ?? delivery.rateLimit,
  onExhausted: options?.onExhausted ?? delivery.onExhausted,
})

/** The global options with an endpoint's own over them. */
export function deliveryOf(...layers: readonly (z.infer<typeof DeliveryOptions> | null | undefined)[]): Delivery {
  const merged: Record<string, unknown> = { ...DEFAULT_DELIVERY }
  for (const layer of layers)
    for (const [name, value] of Object.entries(layer ?? {})) if (value !== undefined) merged[name] = value
  return merged as unknown as Delivery
}

/** `ms` as a person writes it, at most two units: "75h 35m". */
function durationText(ms: number): string {
  const parts: string[] = []
  let rest = ms
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / UNITS[unit])
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * UNITS[unit]
  }
  return parts.slice(0, 2).join(' ') || '0ms'
}

/**
 * Whether the history would forget an event before the last retry of it; null: it would not. As words that name both keys.
 * `retries`: the pauses in force.
 */
export function retriesOutlast(retries: readonly number[], eventsMs: number): string | null {
  const sum = retries.reduce((total, pause) => total + pause, 0)
  if (sum <= eventsMs) return null
  return `pauses of together at most \`retention.events\` (${durationText(eventsMs)}), and these are ${durationText(sum)}`
}

/** An error at `retention.events` for the global retries, and at an endpoint's own. */
function checkRetention(
  {
    retention,
    delivery,
    endpoints,
  }: { retention: { events: number }; delivery: z.infer<typeof DeliveryOptions>; endpoints: readonly EndpointConfig[] },
  context: z.RefinementCtx,
): void {
  const { retries } = deliveryOf(delivery)
  if (retriesOutlast(retries, retention.events) !== null) {
    const sum = durationText(retries.reduce((total, pause) => total + pause, 0))
    const message = `at least the sum of \`delivery.retries\` (${sum}${delivery.retries ? '' : ' by default'}); keep events longer or retry for less`
    context.addIssue({ code: 'custom', path: ['retention', 'events'], message })
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const message = retriesOutlast(endpoint.delivery?.retries ?? [], retention.events)
    if (message !== null)
      context.addIssue({ code: 'custom', path: ['endpoints', index, 'delivery', 'retries'], message })
  }
}

export const EndpointConfig = z.strictObject({
  id: Slug,
  url: HttpUrl,
  types: z.array(EventType).min(1).optional(),
  connections: z.array(Slug).min(1).optional(),
  filter: EndpointFilter.optional().describe('conditions on members of the event; absent: all events'),
  headers: EndpointHeaders.optional().describe('sent with every delivery; kept encrypted'),
  secret: EndpointSecret.optional().describe('generated if absent'),
  delivery: DeliveryOptions.optional(),
  description: z.string().max(500).optional(),
})
export type EndpointConfig = z.infer<typeof EndpointConfig>

const Cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'a CIDR such as "10.0.0.0/8"' })

const ProxyUrl = z.url({ protocol: /^https?$/, error: 'the http:// or https:// URL of a forward proxy' })

const ProxyConfig = z
  .union([
    ProxyUrl,
    z.strictObject({
      url: ProxyUrl,
      except: z.array(z.string().min(1)).default([]).describe('hosts, domains, addresses and CIDRs reached directly'),
    }),
  ])
  .transform(proxy => (typeof proxy === 'string' ? { url: proxy, except: [] } : proxy))

const HostCertificates = z
  .strictObject({
    hosts: z.array(z.string().min(1)).min(1).describe('hosts, domains, addresses and CIDRs, as in `proxy.except`'),
    ca: z.string().min(1).optional().describe('PEM file of the authorities to trust; default: those that Node knows'),
    cert: z.string().min(1).optional().describe('PEM file of the client certificate'),
    key: z.string().min(1).optional().describe('PEM file of its key'),
    keyPassword: z.string().min(1).optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
    error: '`cert` and `key`, both or neither',
  })
  .refine(({ ca, cert }) => ca !== undefined || cert !== undefined, { error: '`ca`, or `cert` and `key`' })

const unique = (items: readonly { id: string }[], context: z.RefinementCtx, path: string): void => {
  const seen = new Set<string>()
  for (const [index, { id }] of items.entries()) {
    if (seen.has(id))
      context.addIssue({ code: 'custom', path: [path, index, 'id'], message: 'an id that is not used twice' })
    seen.add(id)
  }
}

const shapeOf = (sources: readonly SourceSchema[]) =>
  z.strictObject({
    sources: z
      .array(
        z.custom<SourceSchema>(isSourceSchema, {
          error: 'a source made with defineSource, which a configuration in TypeScript imports (JSON can name none)',
          abort: true,
        }),
      )
      .default([])
      .describe('sources of further vendors, whose `vendor` connections may then name'),
    connections: z.array(connectionsOf(sources)).default([]),
    endpoints: z.array(EndpointConfig).default([]),
    handlers: z
      .string()
      .min(1)
      .optional()
      .describe('folder of handlers, relative to this file; default "handlers" beside it, if there'),
    network: z
      .strictObject({
        allow: z.array(Cidr).default([]).describe('networks that webhooks may reach besides public addresses'),
        proxy: ProxyConfig.optional().describe(
          'forward proxy (HTTP CONNECT) for vendors, webhooks and alerts; default: HTTPS_PROXY and NO_PROXY, for vendors only',
        ),
        certificates: z
          .array(HostCertificates)
          .default([])
          .describe('what webhooks and alerts show and trust in TLS with some hosts; files relative to this one'),
      })
      .default({ allow: [], certificates: [] }),
    alerts: Alerts,
    delivery: DeliveryOptions.default({}),
    retention: z
      .strictObject({
        events: Span.default(90 * DAY).describe('how long the history is kept; what still waits is kept longer'),
        attempts: Span.default(14 * DAY).describe('how long the record of attempts is kept'),
        deadLetters: Span.default(90 * DAY).describe('how long dead letters wait for a redrive'),
      })
      .default({ events: 90 * DAY, attempts: 14 * DAY, deadLetters: 90 * DAY }),
    sandbox: z
      .strictObject({ port: z.number().int().min(0).max(65535).default(0), speed: z.number().positive().default(1) })
      .optional()
      .describe('runs the simulated vendors on loopback in this process, for trying things out'),
  })

/** The configuration, whose connections may name the vendors of these sources as well. */
export const configWith = (sources: readonly SourceSchema[]) =>
  shapeOf(sources).superRefine((config, context) => {
    unique(config.connections, context, 'connections')
    const vendors = new Set(VENDORS)
    for (const [index, { vendor }] of config.sources.entries()) {
      const message = `a source of a vendor that no other source reads, and "${vendor}" is read already`
      if (vendors.has(vendor)) context.addIssue({ code: 'custom', path: ['sources', index], message })
      vendors.add(vendor)
    }
    unique(config.endpoints, context, 'endpoints')
    checkRetention(config, context)
    const ids = config.connections.map(({ id }) => `"${id}"`)
    const message = `the id of a connection (${ids.join(', ') || 'there are none'})`
    for (const [index, { connections = [] }] of config.endpoints.entries())
      for (const [place, id] of connections.entries())
        if (!config.connections.some(connection => connection.id === id))
          context.addIssue({ code: 'custom', path: ['endpoints', index, 'connections', place], message })
  })

export const Config = configWith([])
export type Config = z.output<typeof Config>
/** The configuration as a person writes it. */
export type ConfigInput = z.input<typeof Config>
