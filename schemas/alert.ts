import { z } from 'zod'
import { HttpUrl } from './common.ts'
import { EndpointSecret } from './endpoint.ts'

/** What an operator can be notified of. */
export const ALERT_NAMES = [
  'endpoint.failing',
  'endpoint.disabled',
  'endpoint.recovered',
  'connection.failing',
  'connection.stopped',
  'connection.recovered',
  'dead-letter',
  'publishing.refused',
  'reconcile.found',
] as const
export const AlertName = z.enum(ALERT_NAMES)
export type AlertName = z.infer<typeof AlertName>

export const AlertConfig = z
  .strictObject({
    url: HttpUrl.describe('where notices are posted; addresses that are not public need `network.allow`'),
    on: z
      .array(AlertName)
      .min(1)
      .default([...ALERT_NAMES])
      .describe('which notices; default: all'),
    format: z
      .enum(['standard', 'slack'])
      .default('standard')
      .describe('"standard": CloudEvents; "slack": a text for a Slack incoming webhook'),
    secret: EndpointSecret.optional().describe('signs notices of the format "standard" as webhooks are signed'),
  })
  .refine(({ format, secret }) => format === 'standard' || secret === undefined, {
    path: ['secret'],
    error: 'no secret with the format "slack", which has no signatures',
  })
export type AlertConfig = z.output<typeof AlertConfig>

export const Alerts = z
  .array(AlertConfig)
  .max(20)
  .default([])
  .superRefine((alerts, context) => {
    for (const [index, { url }] of alerts.entries())
      if (alerts.findIndex(alert => alert.url === url) < index)
        context.addIssue({ code: 'custom', path: [index, 'url'], message: 'a URL that no other alert has' })
  })
  .describe('who is notified when something needs a person')
