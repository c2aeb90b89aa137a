import { Queued } from '../../../schemas/api.ts'
import { Refusal } from '../../api/problem.ts'
import type { QuarantineRow } from '../../store/port/quarantine.ts'
import { field, filters, form } from '../forms.ts'
import { groupOf } from '../groups.ts'
import { heading, live } from '../layout.ts'
import { counted, empty, foreign, foreignText, html, links, queryOf, table, time } from '../markup.ts'
import { MOST_NEW, news } from '../news.ts'
import { action, done, type PageDeps, type PageRoute, page } from '../page.ts'
import { quarantineList } from '../quarantine-view.ts'
import { typeWords } from '../states.ts'

const PAGE = 50
const MOST_GROUPS = 100
/** So many of a group are read again at once: the vendor allows few requests. */
const MOST_AGAIN = 100

/** `/quarantine`: what was not understood, what went out all the same, and what was withheld. */
export function quarantinePages({ store, config }: PageDeps): PageRoute[] {
  /** Which facts of an entry's order were published: the others were withheld. */
  async function published(rows: readonly QuarantineRow[]): Promise<ReadonlyMap<string, string>> {
    const words = await Promise.all(
      rows.map(async ({ id, connection, orderId }): Promise<[string, string]> => {
        const events = orderId === null ? [] : await store.events.ofOrder(connection, orderId)
        return [id, events.length === 0 ? 'nothing' : events.map(({ type }) => typeWords(type)).join(', ')]
      }),
    )
    return new Map(words)
  }

  return [
    page('/quarantine', async ({ query, viewer, now }) => {
      const connection = query.get('connection') ?? ''
      const after = Number(query.get('after')) || 0
      const filter = connection === '' ? {} : { connection }
      const [groups, rows] = await Promise.all([
        store.quarantine.groups(MOST_GROUPS),
        store.quarantine.list(filter, { limit: PAGE + 1, ...(after > 0 && { after }) }),
      ])
      const shown = rows.slice(0, PAGE)
      const seen = query.has('seen') ? Number(query.get('seen')) || 0 : after > 0 ? null : (rows[0]?.n ?? 0)
      const newest = seen === null ? [] : await store.quarantine.list(filter, { limit: MOST_NEW })
      const fresh = newest.filter(({ n }) => seen !== null && n > seen).length
      const mine = groups.filter(group => connection === '' || group.connection === connection)
      const columns = [
        { name: 'Connection' },
        { name: 'Where' },
        { name: 'Why' },
        { name: 'Entries', number: true },
        { name: 'Latest' },
        { name: '' },
      ]
      const groupRows = mine.map(({ connection: of, path, reason, count, lastAt }) => [
        html`<a href="${links.connection(of)}">${of}</a>`,
        html`<code>${foreign(path)}</code>`,
        foreign(reason),
        count.toLocaleString('en'),
        time(lastAt, now),
        form({
          viewer,
          action: '/quarantine/group',
          role: 'write',
          label: 'Read all again',
          name: `Read all again: ${of}, ${foreignText(path)}`,
          fields: { connection: of, group: groupOf(path, reason) },
          confirm: `Ask ${of} for ${counted(Math.min(count, MOST_AGAIN), 'order')} again?`,
        }),
      ])
      const last = shown.at(-1)
      const body = html`${heading('Quarantine')}
<p class="hint">An order or value that could not be understood costs one fact, not the order: the others went out.</p>
${filters('/quarantine', [
  field({
    name: 'connection',
    label: 'Connection',
    value: connection,
    options: [['', 'any'], ...config.connections.map(({ id }) => [id, id] as const)],
  }),
])}
${seen === null ? '' : live(`/quarantine${queryOf({ connection, seen })}`, news(fresh, 'entry', `/quarantine${queryOf({ connection })}`))}
${
  shown.length === 0
    ? empty('Nothing is in quarantine.', 'Everything that the vendors show was understood.')
    : html`<section class="panel"><h2>By place and reason</h2>${table('Quarantine by place and reason', columns, groupRows)}</section>
<section class="panel"><h2>Entries, newest first</h2>${quarantineList(shown, viewer, now, { published: await published(shown) })}${
        rows.length > PAGE && last
          ? html`<nav class="pager" aria-label="Pages of the list"><a class="button" href="/quarantine${queryOf({ connection, after: last.n })}">Older</a></nav>`
          : ''
      }</section>`
}`
      return { title: 'Quarantine', section: '/quarantine', body }
    }),

    action('/quarantine/{id}/retry', 'write', async ({ params, call }) => {
      await call(Queued, 'POST /v1/quarantine/{id}/retry', { params: { id: params.id ?? '' } })
      return done('It is read again soon. The entry goes when it is understood.')
    }),

    action('/quarantine/group', 'write', async ({ form: given, call }) => {
      const [connection = '', group = ''] = ['connection', 'group'].map(name => given.get(name) ?? '')
      const all = await store.quarantine.list({ connection }, { limit: 1_000 })
      const chosen = all.filter(row => groupOf(row.path, row.reason) === group).slice(0, MOST_AGAIN)
      let queued = 0
      for (const { id } of chosen)
        try {
          queued += (await call(Queued, 'POST /v1/quarantine/{id}/retry', { params: { id } })).queued
        } catch (error) {
          // One that cannot be read again does not keep the others from it.
          if (!(error instanceof Refusal) || error.status === 403) throw error
        }
      return queued === 0
        ? {
            message: {
              tone: 'bad',
              text: `Nothing of ${connection} can be read again: not even the order ids could be read, or the entries are gone.`,
            },
          }
        : done(
            `${counted(queued, 'order')} of ${connection} are read again soon. Each entry goes when its order is understood.`,
          )
    }),
  ]
}
