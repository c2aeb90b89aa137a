import { Queued } from '../../../schemas/api.ts'
import { OrderEvent } from '../../../schemas/order-event.ts'
import { notFound } from '../../api/problem.ts'
import { whatHappened } from '../../order/what-happened.ts'
import type { StoredEvent } from '../../store/port/events.ts'
import { deliveryList } from '../delivery-view.ts'
import { field, form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { empty, facts, foreign, foreignBlock, html, links, preciseTime } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page } from '../page.ts'
import { typeWords } from '../states.ts'

const MOST = 250

/** `/events/{id}`: one event as its destinations get it, and how each got it. */
export function eventPages(deps: PageDeps): PageRoute[] {
  const { store } = deps

  async function found(id: string): Promise<StoredEvent> {
    const event = await store.events.get(id)
    if (!event) throw notFound('There is no event with this id in the history.')
    return event
  }

  return [
    page('/events/{id}', async ({ c, params, viewer, now }) => {
      const stored = await found(params.id ?? '')
      const { id, type, connection, orderId, sequence, occurredAt, observedAt, body: json } = stored
      const [deliveries, destinations] = await Promise.all([
        store.deliveries.list({ eventId: id }, { limit: MOST }),
        deps.known.destinations(),
      ])
      const what = whatHappened(OrderEvent.parse(JSON.parse(json)))
      const path = links.event(id)
      const { origin } = new URL(c.req.url)
      const curl = `curl -H "Authorization: Bearer $ORDERWIRE_API_KEY" '${origin}/v1/events/${id}'`
      const copy = (of: string, label: string) =>
        html`<button type="button" class="quiet" data-script data-copy="${of}" hidden>${label}</button>`
      const body = html`${heading(html`${typeWords(type)} <span class="hint">#${sequence} of order <a href="${links.order(connection, orderId)}">${foreign(`${connection}/${orderId}`, { short: true })}</a></span>`)}
${facts([
  ['Id', html`<code>${id}</code>`],
  ['What', foreign(what === '' ? null : what)],
  ['Happened', preciseTime(occurredAt)],
  ['Observed', preciseTime(observedAt)],
])}
<section class="panel"><h2>Deliveries</h2>${live(
        path,
        deliveries.data.length === 0
          ? empty('No delivery yet.', 'Or no destination takes it: see their types and filters.')
          : deliveryList(deliveries.data, now, { withDestination: true }),
      )}
${
  destinations.length === 0
    ? ''
    : form({
        viewer,
        action: `${path}/resend`,
        role: 'write',
        label: 'Resend',
        body: field({
          name: 'destination',
          label: 'Deliver it again to',
          options: destinations.map(one => [one.id, one.id] as const),
        }),
      })
}</section>
<section class="panel"><h2>The event</h2><div class="toolbar">${copy('json', 'Copy')}<a class="button" href="${path}/download" download>Download</a>${copy('curl', 'Copy as curl')}</div><div id="json">${foreignBlock(JSON.stringify(JSON.parse(json), null, 2), 'The event')}</div><pre id="curl" class="unseen">${curl}</pre></section>`
      return { title: `${typeWords(type)} ${id}`, section: '/events', body }
    }),

    page('/events/{id}/download', async ({ params }) => {
      const { id, body } = await found(params.id ?? '')
      return new Response(body, {
        headers: {
          'content-type': 'application/cloudevents+json; charset=utf-8',
          'content-disposition': `attachment; filename="${id}.json"`,
          'cache-control': 'no-store',
        },
      })
    }),

    action('/events/{id}/resend', 'write', async ({ params, form: given, call }) => {
      const destination = given.get('destination') ?? ''
      await call(Queued, 'POST /v1/events/{id}/resend', { params: { id: params.id ?? '' }, body: { destination } })
      return done(`The event is queued for ${destination} again.`)
    }),
  ]
}
