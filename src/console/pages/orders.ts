import { field, filters } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { empty, foreign, html, links, queryOf, table, time } from '../markup.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'

const PAGE = 50

/** `/orders`: found by number, id or how one begins. */
export function orderListPages({ store, config }: PageDeps): PageRoute[] {
  return [
    page('/orders', async ({ query, now }) => {
      const asked = {
        q: (query.get('q') ?? '').trim().slice(0, 255),
        connection: query.get('connection') ?? '',
        after: query.get('after') ?? '',
      }
      const search = {
        ...(asked.q !== '' && { text: asked.q }),
        ...(asked.connection !== '' && { connection: asked.connection }),
      }
      const { data, next } = await store.orders.find(search, {
        limit: PAGE,
        ...(asked.after !== '' && { after: asked.after }),
      })
      const columns = [
        { name: 'Order' },
        { name: 'Connection' },
        { name: 'Placed' },
        { name: 'Total', number: true },
        { name: "Vendor's status" },
        { name: 'Last changed' },
      ]
      const rows = data.map(({ connection, orderId, observedAt, snapshot }) => [
        html`<a href="${links.order(connection, orderId)}">${foreign(snapshot.orderNumber ?? orderId, { short: true })}</a>`,
        html`<a href="${links.connection(connection)}">${connection}</a>`,
        time(snapshot.placedAt, now),
        html`${foreign(snapshot.total)} ${snapshot.currency ?? ''}`,
        foreign(snapshot.status),
        time(observedAt, now),
      ])
      const nothing =
        asked.q === '' && asked.connection === ''
          ? empty('No order was read yet.', html`<a href="/connections">See how the connections are doing</a>`)
          : empty('No order is like this.', html`<a href="/orders">Show all</a>`)
      const body = html`${heading('Orders')}
${filters('/orders', [
  field({ name: 'q', label: 'Number or id', value: asked.q, type: 'search', hint: 'Or how it begins' }),
  field({
    name: 'connection',
    label: 'Connection',
    value: asked.connection,
    options: [['', 'any'], ...config.connections.map(({ id }) => [id, id] as const)],
  }),
])}
${live(
  `/orders${queryOf(asked)}`,
  html`${rows.length === 0 ? nothing : table('Orders', columns, rows)}${
    next === null
      ? ''
      : html`<nav class="pager" aria-label="Pages of the list"><a class="button" href="/orders${queryOf({ ...asked, after: next })}">Next</a></nav>`
  }`,
)}`
      return { title: 'Orders', section: '/orders', body }
    }),
  ]
}
