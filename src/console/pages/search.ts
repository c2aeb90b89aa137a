import { heading } from '../layout.ts'
import { counted, empty, foreign, type Html, html, links } from '../markup.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'

const MOST_ORDERS = 20

interface Match {
  readonly kind: string
  readonly to: string
  readonly name: string
  readonly more: string
  /** The whole name was given. */
  readonly exact: boolean
}

/** `/search`: an order, an event, a dead letter, a destination or a connection, by number, id or how one begins. One match opens it. */
export function searchPages({ store, known, config }: PageDeps): PageRoute[] {
  async function find(text: string): Promise<Match[]> {
    const [orders, event, letter, ends] = await Promise.all([
      store.orders.find({ text }, { limit: MOST_ORDERS }),
      store.events.get(text),
      store.deadLetters.get(text),
      known.destinations(),
    ])
    const named = (kind: string, ids: readonly { id: string }[], to: (id: string) => string) =>
      ids
        .filter(({ id }) => id.startsWith(text))
        .map(({ id }) => ({ kind, to: to(id), name: id, more: '', exact: id === text }))
    return [
      ...named('destination', ends, links.destination),
      ...named('connection', config.connections, links.connection),
      ...(event ? [{ kind: 'event', to: links.event(event.id), name: event.id, more: event.type, exact: true }] : []),
      ...(letter
        ? [
            {
              kind: 'dead letter',
              to: `/dead-letters/${encodeURIComponent(letter.id)}`,
              name: letter.id,
              more: letter.destination,
              exact: true,
            },
          ]
        : []),
      ...orders.data.map(({ connection, orderId, snapshot }) => ({
        kind: 'order',
        to: links.order(connection, orderId),
        name: snapshot.orderNumber ?? orderId,
        more: `${connection}/${orderId}`,
        exact: snapshot.orderNumber === text || orderId === text,
      })),
    ]
  }

  return [
    page('/search', async ({ c, query }) => {
      const text = (query.get('q') ?? '').trim().slice(0, 255)
      const found = text === '' || text.includes('\0') || !text.isWellFormed() ? [] : await find(text)
      const exact = found.filter(one => one.exact)
      const [only] = found.length === 1 ? found : exact.length === 1 ? exact : []
      if (only) return c.redirect(only.to, 303)
      return { title: 'Search', body: html`${heading('Search')}${found.length === 0 ? nothing(text) : list(found)}` }
    }),
  ]
}

const nothing = (text: string): Html =>
  empty(
    'Nothing begins like this.',
    html`Looked for ${foreign(text)} among the numbers and ids of orders, events, dead letters, destinations and connections.`,
  )

const list = (found: readonly Match[]): Html =>
  html`<p class="hint">${counted(found.length, 'match', 'matches')}</p><ul class="matches">${found.map(
    ({ kind, to, name, more }) =>
      html`<li><a href="${to}">${foreign(name, { short: true })}</a><span class="hint">${kind} ${foreign(more, { short: true })}</span></li>`,
  )}</ul>`
