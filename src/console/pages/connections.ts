import type { Connection } from '../../../schemas/api.ts'
import { durationWords } from '../../lib/duration.ts'
import { heading, live } from '../layout.ts'
import { due, empty, foreign, html, links, table, time } from '../markup.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'
import { connectionState } from '../states.ts'

/** `/connections`: how reading goes. */
export function connectionListPages(deps: PageDeps): PageRoute[] {
  return [
    page('/connections', async ({ now }) => {
      const all = await deps.connections()
      const columns = [
        { name: 'Connection' },
        { name: 'State' },
        { name: 'Behind', number: true },
        { name: 'Last read' },
        { name: 'Next poll' },
        { name: 'Orders', number: true },
        { name: 'Quarantine', number: true },
        { name: 'Webhooks' },
        { name: 'Last error' },
      ]
      const rows = all.map(one => [
        html`<a href="${links.connection(one.id)}">${one.id}</a> <span class="hint">${one.vendor}</span>`,
        connectionState(one),
        one.lagSeconds === null ? '–' : durationWords(one.lagSeconds * 1000),
        time(one.lastSuccessAt, now),
        due(one.nextPollAt, now),
        one.ordersTracked.toLocaleString('en'),
        one.quarantined === 0
          ? '0'
          : html`<a href="/quarantine?connection=${one.id}">${one.quarantined.toLocaleString('en')}</a>`,
        webhookWords(one),
        foreign(one.lastError),
      ])
      const body = html`${heading('Connections')}${live(
        '/connections',
        all.length === 0
          ? empty('No connection is configured.', 'Add one to orderwire.config.ts and start again.')
          : table('Connections', columns, rows),
      )}`
      return { title: 'Connections', section: '/connections', body }
    }),
  ]
}

export function webhookWords({ webhooks }: Pick<Connection, 'webhooks'>): string {
  if (webhooks === null) return 'takes none'
  if (webhooks.silent) return 'silent'
  return webhooks.lastReceivedAt === null ? 'none ever' : 'received'
}
