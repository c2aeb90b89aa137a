import { z } from 'zod'
import { Alerts } from './alert.ts'
import { Currency, HttpUrl, Slug } from './common.ts'
import { EndpointFilter, EndpointHeaders, EndpointSecret } from './endpoint.ts'
import { EventType } from './order-event.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A hundred years: times further away are none that a vendor or a database could be asked with. */
const LONGEST_DURATION = 36_500 * UNITS.d

function millisecondsOf(duration: string): number {
  const [, number = '0', unit = 'ms'] = /^([\d.]+)(\w+)$/.exec(duration) ?? []
  return Math.round(Number(number) * UNITS[unit as keyof typeof UNITS])
}

const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/
const A_DURATION = 'a duration such as "500ms", "5s", "10m", "2h" or "30d"'

/** `"500ms" "5s" "10m" "2h" "30d"` → milliseconds. */
export const Duration = z
  .string()
  .regex(DURATION, A_DURATION)
  .refine(text => !(millisecondsOf(text) > LONGEST_DURATION), 'a duration of at most "36500d"')
  .transform(millisecondsOf)

/** One that something happens after, or lasts: nothing waits for 0. */
const Span = z
  .string()
  .regex(DURATION, { error: A_DURATION, abort: true })
  .refine(text => millisecondsOf(text) > 0, 'a duration above 0, of 1ms or more')
  .pipe(Duration)

/** `"2/s"` or `{ perSecond, burst }`. */
const RATE = 'a rate above 0 such as "2/s", "100/m", or { "perSecond": 2, "burst": 40 }'
// Turned into one form behind the union: within it a wrong member would be reported as no rate at all.
export const RateLimit = z
  .union(
    [
      z
        .string()
        .regex(/^\d+(\.\d+)?\/(s|m|h)$/, { error: RATE, abort: true })
        .refine(text => Number.parseFloat(text) > 0, RATE),
      z.strictObject({
        perSecond: z.number().positive('a number above 0'),
        burst: z.number().int().min(1, 'a whole number from 1 on').optional(),
      }),
    ],
    { error: RATE },
  )
  .transform(rate => {
    if (typeof rate !== 'string') return { perSecond: rate.perSecond, burst: rate.burst ?? burstOf(rate.perSecond) }
    const [count = '0', unit = 's'] = rate.split('/')
    const perSecond = Number(count) / (UNITS[unit as 's' | 'm' | 'h'] / 1000)
    return { perSecond, burst: burstOf(perSecond) }
  })
const burstOf = (perSecond: number): number => Math.max(1, Math.ceil(perSecond))
export type RateLimit = z.infer<typeof RateLimit>

/** How far back the first poll looks: a duration, or an ISO date. */
const Backfill = z.union(
  [
    Duration.transform(ms => ({ ms })),
    z.union([z.iso.date(), z.iso.datetime({ offset: true })]).transform(text => ({ since: Date.parse(text) })),
  ],
  { error: 'a duration such as "30d", or an ISO date such as "2026-01-31"' },
)

const Reconcile = z.strictObject({
  every: Span.default(UNITS.d).describe('from one reconciliation to the next; default 24h'),
  lookBack: Span.default(30 * UNITS.d).describe('how old the orders may be that are read again; default 30d'),
})

const shared = {
  id: Slug,
  pollEvery: Span.default(5_000).describe('pause between two polls; default 5s'),
  overlap: Duration.default(600_000).describe('how far each poll looks back behind the cursor; default 10m'),
  backfill: Backfill.optional().describe('how far back the first poll looks; default: the overlap'),
  rateLimit: RateLimit.optional().describe("requests to the vendor; default: the vendor's published limit"),
  enabled: z.boolean().default(true),
  reasons: z
    .boolean()
    .default(true)
    .describe('false: events carry no free-text reasons, which buyers may have written personal data into'),
  reconcile: z
    .union([z.literal(false), Reconcile], { error: 'false, or { "every": "24h", "lookBack": "30d" }' })
    .default({ every: UNITS.d, lookBack: 30 * UNITS.d })
    .describe('how often recent orders are read again at low priority, and how far back; false: never'),
}

const Secret = z.string().min(1)
/** What is sent as a header: a line break at the end, as files have it, would break every request. */
const HeaderText = z
  .string()
  .regex(/^[!-~](?:[ -~]*[!-~])?$/, 'printable ASCII without line breaks, and no spaces around it')

export const KakacloConnection = z.strictObject({
  ...shared,
  vendor: z.literal('kakaclo'),
  baseUrl: HttpUrl,
  apiVersion: z.enum(['v1', 'v2']).default('v2'),
  token: HeaderText,
  currency: Currency.default('USD').describe('V1 names no currency'),
})
export type KakacloConnection = z.infer<typeof KakacloConnection>

const Statuses = z.strictObject({
  paid: z.array(z.string()).default([]),
  shipped: z.array(z.string()).default([]),
  delivered: z.array(z.string()).default([]),
  refunded: z.array(z.string()).default([]),
})

export const TuyaConnection = z.strictObject({
  ...shared,
  vendor: z.literal('tuya'),
  baseUrl: HttpUrl,
  clientId: HeaderText,
  clientSecret: Secret,
  mallCode: z.string().min(1),
  shopCode: z.string().min(1),
  statuses: Statuses.default({ paid: [], shipped: [], delivered: [], refunded: [] }),
})
export type TuyaConnection = z.infer<typeof TuyaConnection>

const SHOPLAZZA_VERSION = /^\d{4}-\d{2}$/

/** The API version that a base URL of Shoplazza ends with, or has in it; null: none. */
export const shoplazzaVersionIn = (baseUrl: string): string | null =>
  URL.parse(baseUrl)
    ?.pathname.split('/')
    .findLast(segment => SHOPLAZZA_VERSION.test(segment)) ?? null

export const ShoplazzaConnection = z
  .strictObject({
    ...shared,
    vendor: z.literal('shoplazza'),
    baseUrl: HttpUrl,
    apiVersion: z
      .string()
      .regex(SHOPLAZZA_VERSION, 'a version such as "2022-01"')
      .optional()
      .describe('default: read from the base URL'),
    accessToken: HeaderText,
    webhookSecret: z
      .union([Secret, z.array(Secret).min(1).max(10)], { error: 'a secret, or a list of them while one is rotated' })
      .optional()
      .describe('to take webhooks; a list while it is rotated: a signature by any of them counts'),
  })
  .refine(({ apiVersion, baseUrl }) => apiVersion !== undefined || shoplazzaVersionIn(baseUrl) !== null, {
    path: ['apiVersion'],
    error: 'an API version such as "2022-01", here or at the end of `baseUrl`',
  })
export type ShoplazzaConnection = z.infer<typeof ShoplazzaConnection>

export const Connection = z.discriminatedUnion('vendor', [KakacloConnection, TuyaConnection, ShoplazzaConnection])
export type Connection = z.infer<typeof Connection>

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

const unique = (items: readonly { id: string }[], context: z.RefinementCtx, path: string): void => {
  const seen = new Set<string>()
  for (const [index, { id }] of items.entries()) {
    if (seen.has(id))
      context.addIssue({ code: 'custom', path: [path, index, 'id'], message: 'an id that is not used twice' })
    seen.add(id)
  }
}

export const Config = z
  .strictObject({
    connections: z.array(Connection).default([]),
    endpoints: z.array(EndpointConfig).default([]),
    handlers: z
      .string()
      .min(1)
      .optional()
      .describe('folder of handlers, relative to this file; default "handlers" beside it, if there'),
    network: z.strictObject({ allow: z.array(Cidr).default([]) }).default({ allow: [] }),
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
  .superRefine((config, context) => {
    unique(config.connections, context, 'connections')
    unique(config.endpoints, context, 'endpoints')
    checkRetention(config, context)
    const ids = config.connections.map(({ id }) => `"${id}"`)
    const message = `the id of a connection (${ids.join(', ') || 'there are none'})`
    for (const [index, { connections = [] }] of config.endpoints.entries())
      for (const [place, id] of connections.entries())
        if (!config.connections.some(connection => connection.id === id))
          context.addIssue({ code: 'custom', path: ['endpoints', index, 'connections', place], message })
  })
export type Config = z.output<typeof Config>
/** The configuration as a person writes it. */
export type ConfigInput = z.input<typeof Config>
