import type { z } from 'zod'
import { ReplayPreview, type TestAnswer } from '../../schemas/api.ts'
import { EventType } from '../../schemas/order-event.ts'
import { field, form } from './forms.ts'
import { instantOf } from './instant.ts'
import { counted, foreign, foreignBlock, type Html, html } from './markup.ts'
import type { Visit } from './page.ts'
import { milliseconds, typeWords } from './states.ts'

/** Replay and test of a destination, for operators and for subscribers. */

/** What a form or a query asks to replay. */
export function replayBody(given: URLSearchParams) {
  const types = given.getAll('types')
  const [since, until, order] = [
    instantOf(given.get('since')),
    instantOf(given.get('until')),
    given.get('order')?.trim(),
  ]
  return {
    ...(since && { since }),
    ...(until && { until }),
    ...(order && { order }),
    ...(types.length > 0 && { types }),
  }
}

/** What a replay would deliver. */
export const previewOf = ({ query, call }: Pick<Visit, 'query' | 'call'>, id: string) =>
  call(ReplayPreview, 'POST /v1/destinations/{id}/replay', {
    params: { id },
    query: { preview: true },
    body: replayBody(query),
  })

interface PanelPlace {
  readonly id: string
  /** Where its forms are. */
  readonly path: string
  /** Of a subscriber: whether its link allows this. */
  readonly allowed?: boolean
}

export function replayPanel(
  { viewer, query }: Visit,
  { id, path, allowed }: PanelPlace,
  preview: z.output<typeof ReplayPreview> | null,
): Html {
  const asked = { since: query.get('since') ?? '', until: query.get('until') ?? '', order: query.get('order') ?? '' }
  const types = query.getAll('types')
  const chosen = EventType.options.map(
    type =>
      html`<label class="choice"><input type="checkbox" name="types" value="${type}"${types.includes(type) ? html` checked` : ''}> ${typeWords(type)}</label>`,
  )
  const hidden = html`${types.map(type => html`<input type="hidden" name="types" value="${type}">`)}`
  const words =
    preview === null
      ? null
      : `${counted(preview.events, 'event')} of ${counted(preview.orders, 'order')}, about ${preview.estimatedSeconds} s`
  return html`<section class="panel" id="replay"><h2>Replay</h2><p class="hint">Delivers past events again, in order. They carry their own ids, so a receiver can tell them from new ones.</p>
<form class="stack" method="get" action="${path}#replay"><input type="hidden" name="replay" value="1">${field({ name: 'since', label: 'Observed since', value: asked.since, hint: 'Such as 2026-03-02 or 2026-03-02T10:15:00Z' })}${field({ name: 'until', label: 'Until', value: asked.until })}${field({ name: 'order', label: 'Only this order', value: asked.order, hint: 'Its number or id' })}<fieldset><legend>Types</legend>${chosen}</fieldset><button class="quiet">Preview</button></form>
${
  preview === null
    ? ''
    : html`<div class="preview"><strong>${words}</strong>${preview.alreadyDelivered > 0 ? html`<div>${preview.alreadyDelivered} already delivered come again.</div>` : ''}${
        preview.events === 0
          ? html`<div>No past event matches.</div>`
          : form({
              viewer,
              action: `${path}/replay`,
              role: 'write',
              allowed,
              label: `Replay ${counted(preview.events, 'event')}`,
              fields: asked,
              body: hidden,
              kind: 'primary',
              confirm: `Deliver ${words} to ${id} again?`,
            })
      }</div>`
}</section>`
}

export function testPanel({ viewer }: Visit, { id, path, allowed }: PanelPlace, result: Html | null): Html {
  const options = [
    ['', 'orderwire.test'],
    ...EventType.options.map(type => [type, `sample of ${type}`] as const),
  ] as const
  return html`<section class="panel" id="test"><h2>Test</h2><p class="hint">Sends one signed event that is not in the history.</p>${form(
    {
      viewer,
      action: `${path}/test`,
      role: 'write',
      allowed,
      label: 'Send',
      name: `Send a test event to ${id}`,
      body: field({ name: 'type', label: 'Event', options }),
    },
  )}${result ?? ''}</section>`
}

/** What a test sent and got, side by side. */
export function testResult({ statusCode, ms, error, response, request }: z.output<typeof TestAnswer>): Html {
  const pretty = request === null ? null : JSON.stringify(JSON.parse(request), null, 2)
  return html`<div class="columns"><div><h3>Sent</h3>${pretty === null ? html`<p>Nothing could be sent.</p>` : foreignBlock(pretty, 'The body that was sent')}</div><div><h3>Answered</h3><p>${statusCode ?? 'no answer'} after ${milliseconds(ms)}</p>${error === null ? '' : html`<div>${foreign(error)}</div>`}${response === null ? '' : foreignBlock(response, 'The beginning of the answer')}</div></div>`
}
