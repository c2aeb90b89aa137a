import { z } from 'zod'
import { Slug } from './common.ts'

const count = z.number().int().nonnegative()

/** One line of what `verify` answers. */
export const VerifyLine = z
  .discriminatedUnion('type', [
    z
      .object({
        type: z.literal('finding'),
        check: z.string().describe('stable, e.g. `order.gap`'),
        severity: z.enum(['problem', 'info']),
        where: z
          .object({ connection: z.string(), order: z.string(), event: z.string(), destination: z.string() })
          .partial(),
        what: z.string(),
        means: z.string(),
        remedy: z.string().describe('what to do; says so where it heals by itself'),
        repaired: z.boolean(),
      })
      .meta({ id: 'VerifyFinding' }),
    z
      .object({
        type: z.literal('connection'),
        connection: Slug,
        orders: count.describe('orders compared with the vendor'),
        agreeing: count.describe('facts that the vendor shows as they were told'),
        missing: count,
        late: count.describe('facts newer than the last reading: they come by themselves'),
        different: count,
        fuller: count.describe('values that the vendor did not give when the fact was told'),
        gone: count.describe('facts told that the vendor does not show any more'),
        notFound: count,
        unreadable: count,
        unread: count.describe('orders that the vendor could not be asked for'),
      })
      .meta({ id: 'VerifyConnection' }),
    z
      .object({ type: z.literal('progress'), looking: z.string(), done: count, connection: z.string().optional() })
      .meta({ id: 'VerifyProgress' }),
    z
      .object({
        type: z.literal('summary'),
        problems: count.describe('not counting those repaired'),
        infos: count,
        repaired: count,
        orders: count,
        events: count,
        lanes: count,
        backlog: count,
        deadLetters: count,
      })
      .meta({ id: 'VerifySummary', description: 'The last line; without it the verification did not end' }),
    z.object({ type: z.literal('error'), detail: z.string() }).meta({ id: 'VerifyError' }),
  ])
  .meta({ id: 'VerifyLine' })
export type VerifyLine = z.infer<typeof VerifyLine>
