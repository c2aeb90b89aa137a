import { EventType, OrderEvent } from '../../../schemas/order-event.ts'
import { eventFilter } from '../../api/routes/events.ts'
import { whatHappened } from '../../order/what-happened.ts'
import type { StoredEvent } from '../../store/port/events.ts'
import { field, filters } from '../forms.ts'
import { instantOf } from '../instant.ts'
import { heading, live } from '../layout.ts'
import { empty, foreign, type Html, html, links, queryOf, table, time } from '../markup.ts'
import { MOST_NEW, news } from '../news.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'
import { typeWords } from '../states.ts'

const PAGE = 50

/** `/events`: newest first. What is new is offered, and pushes nothing away that is being read. */
export function eventListPages({ store, known, config }: PageDeps): PageRoute[] {
  return [
    page('/events', async ({ query, now }) => {
      const asked = {
        type: query.get('type') ?? '',
        connection: query.get('connection') ?? '',
        order: (query.get('order') ?? '').trim(),
        since: query.get('since') ?? '',
      }
      const type = EventType.safeParse(asked.type)
      const since = Date.parse(instantOf(asked.since) ?? '')
      const filter = eventFilter({
        order: asked.order === '' ? undefined : await known.order(asked.order),
        ...(type.success && { type: [type.data] }),
        ...(asked.connection !== '' && { connection: [asked.connection] }),
        ...(Number.isFinite(since) && { since }),
      })
      const after = placeOf(query.get('after'))
      const seen = placeOf(query.get('seen'))
      const rows = await store.events.list(filter, { limit: PAGE + 1, newest: true, ...(after !== null && { after }) })
      const newest = seen ?? (after === null ? (rows[0]?.n ?? 0) : null)
      const fresh = newest === null ? [] : await store.events.list(filter, { limit: MOST_NEW, after: newest })
      const shown = rows.slice(0, PAGE)
      const last = shown.at(-1)
      const body = html`${heading('Events')}
${filters('/events', [
  field({
    name: 'type',
    label: 'Type',
    value: asked.type,
    options: [['', 'any'], ...EventType.options.map(one => [one, typeWords(one)] as const)],
  }),
  field({
    name: 'connection',
    label: 'Connection',
    value: asked.connection,
    options: [['', 'any'], ...config.connections.map(({ id }) => [id, id] as const)],
  }),
  field({ name: 'order', label: 'Order', value: asked.order, type: 'search' }),
  field({ name: 'since', label: 'Observed since', value: asked.since }),
])}
${newest === null ? '' : live(`/events${queryOf({ ...asked, seen: newest })}`, news(fresh.length, 'event', `/events${queryOf(asked)}`))}
${shown.length === 0 ? nothing(Object.values(asked).some(value => value !== '')) : html`<section class="panel">${list(shown, now)}</section>`}
${rows.length > PAGE && last ? html`<nav class="pager" aria-label="Pages of the list"><a class="button" href="/events${queryOf({ ...asked, after: last.n })}">Older</a></nav>` : ''}`
      return { title: 'Events', section: '/events', body }
    }),
  ]
}

function placeOf(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

const nothing = (filtered: boolean): Html =>
  filtered
    ? empty('No event is like this.', html`<a href="/events">Show all</a>`)
    : empty(
        'No event yet.',
        html`Events come when a poll finds a change. <a href="/connections">See the connections</a>`,
      )

function list(events: readonly StoredEvent[], now: number): Html {
  const columns = [
    { name: 'Type' },
    { name: 'What' },
    { name: 'Order' },
    { name: 'Happened' },
    { name: 'Observed' },
    { name: 'Id' },
  ]
  const rows = events.map(({ id, type, connection, orderId, sequence, occurredAt, observedAt, body }) => [
    html`<a href="${links.event(id)}">${typeWords(type)}</a> <span class="hint">#${sequence}</span>`,
    foreign(whatHappened(OrderEvent.parse(JSON.parse(body)))),
    html`<a href="${links.order(connection, orderId)}">${foreign(`${connection}/${orderId}`, { short: true })}</a>`,
    time(occurredAt, now),
    time(observedAt, now),
    html`<code>${id.slice(0, 12)}…</code>`,
  ])
  return table('Events', columns, rows)
}
