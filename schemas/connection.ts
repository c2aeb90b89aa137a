import { z } from 'zod'
import { HttpUrl, Slug, Vendor } from './common.ts'

/** What the connections of all vendors share, and how the options of one vendor are put onto it. */

export const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

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
export const Span = z
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

export const Secret = z.string().min(1)
/** What is sent as a header: a line break at the end, as files have it, would break every request. */
export const HeaderText = z
  .string()
  .regex(/^[!-~](?:[ -~]*[!-~])?$/, 'printable ASCII without line breaks, and no spaces around it')

const Shared = z.object({ ...shared, vendor: Vendor, baseUrl: HttpUrl })

/** A connection of any vendor: what all of them have. Its own options are known to its source only. */
export type Connection = z.output<typeof Shared>

/** What one vendor adds to the shared options. */
export interface VendorOptions<V extends string = string, Own extends z.ZodRawShape = z.ZodRawShape> {
  readonly vendor: V
  readonly config: z.ZodObject<Own>
  /** A fault that no single option shows, as the option to change and what is expected there; null: none. */
  readonly validate?: (connection: Connection & z.output<z.ZodObject<Own>>) => { key: string; expected: string } | null
}

/** The schema of a vendor's connections. Unknown options are errors. */
export function connectionSchema<V extends string, Own extends z.ZodRawShape>(vendor: VendorOptions<V, Own>) {
  const options = z.strictObject({
    ...shared,
    vendor: z.literal(vendor.vendor),
    baseUrl: HttpUrl,
    ...vendor.config.shape,
  })
  const { validate } = vendor
  if (!validate) return options
  return options.superRefine((connection, context) => {
    const fault = validate(connection as Connection & z.output<z.ZodObject<Own>>)
    if (fault) context.addIssue({ code: 'custom', path: [fault.key], message: fault.expected })
  })
}

const SOURCE = Symbol.for('orderwire.source')

/** What the configuration needs to know of a source: its vendor, and how connections to it are written. */
export interface SourceSchema {
  readonly [SOURCE]: true
  readonly vendor: string
  readonly connection: z.ZodType
}

/** Marks what `defineSource` makes. */
export const markSource = <T extends Omit<SourceSchema, typeof SOURCE>>(source: T): T & SourceSchema =>
  Object.freeze({ ...source, [SOURCE]: true as const })

export const isSourceSchema = (value: unknown): value is SourceSchema =>
  typeof value === 'object' && value !== null && Reflect.get(value, SOURCE) === true
