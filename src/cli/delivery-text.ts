import { z } from 'zod'
import { counted, short, type Tone, timeText } from './output.ts'

/** A delivery as far as commands print it. */
export const DeliveryView = z.looseObject({
  id: z.string(),
  destination: z.string(),
  eventId: z.string(),
  order: z.string(),
  status: z.string(),
  attempt: z.number(),
  nextAttemptAt: z.string().nullable(),
  attempts: z.array(
    z.looseObject({
      at: z.string(),
      statusCode: z.number().nullable(),
      ms: z.number(),
      error: z.string().nullable(),
      response: z.string().nullish(),
      origin: z.string().nullish(),
    }),
  ),
})
export type DeliveryView = z.infer<typeof DeliveryView>

/** Whether the latest attempt failed and nothing was acknowledged since. */
export const hasFailed = ({ status, attempts }: DeliveryView): boolean =>
  status === 'dead' || (status === 'waiting' && (attempts.at(-1)?.error ?? null) !== null)

/** `acknowledged 2026-03-02 10:15:31 after 2 attempts`, `waiting, next attempt …: the error`. */
export function deliveryState(delivery: DeliveryView): { readonly text: string; readonly tone: Tone | undefined } {
  const { status, attempt, nextAttemptAt, attempts } = delivery
  const last = attempts.at(-1)
  const tries = counted(attempt, 'attempt')
  const error = last?.error ? `: ${short(last.error)}` : ''
  if (status === 'delivered') return { text: `acknowledged ${timeText(last?.at)} after ${tries}`, tone: undefined }
  if (status === 'dead') return { text: `dead letter after ${tries}${error}`, tone: 'bad' }
  const next = nextAttemptAt === null ? '' : `, next attempt ${timeText(nextAttemptAt)}`
  return { text: `waiting, ${tries}${next}${error}`, tone: hasFailed(delivery) ? 'warn' : undefined }
}
