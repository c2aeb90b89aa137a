import { type Destination, EndpointCreated } from '../../../schemas/api.ts'
import { EventType } from '../../../schemas/order-event.ts'
import { durationWords } from '../../lib/duration.ts'
import { field, filters, form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { counted, due, empty, foreign, type Html, html, links, queryOf, table, time } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { secretShown } from '../secret-view.ts'
import { destinationCondition, destinationState, milliseconds, percent, typeWords } from '../states.ts'
import { type Wants, wantsOf, wantsWords } from '../wants-view.ts'

const PAGE = 50

type Row = Destination & { readonly wants: Wants | null }

/** What the list can be sorted by. The first click shows what is worst. */
const SORTS: Readonly<Record<string, { readonly name: string; readonly of: (row: Row) => number | string }>> = {
  id: { name: 'Destination', of: ({ id }) => id },
  state: { name: 'State', of: row => CONDITIONS.indexOf(destinationCondition(row)) },
  backlog: { name: 'Waiting', of: ({ backlog }) => -backlog },
  oldest: { name: 'Oldest', of: ({ oldestWaitingSeconds }) => -(oldestWaitingSeconds ?? -1) },
  success: { name: 'Success', of: ({ successRate }) => successRate ?? 2 },
  p99: { name: 'p50 / p99', of: ({ latencyMs }) => -(latencyMs.p99 ?? -1) },
}
const CONDITIONS = ['disabled', 'open', 'failing', 'resting', 'paused', 'active']

/** `/destinations`: handlers and endpoints. */
export function destinationListPages(deps: PageDeps): PageRoute[] {
  async function rows(): Promise<Row[]> {
    const [all, views, endpoints] = await Promise.all([
      deps.destinations(),
      deps.known.destinations(),
      deps.store.endpoints.list(),
    ])
    const viewOf = new Map(views.map(view => [view.id, view]))
    const rowOf = new Map(endpoints.map(row => [row.id, row]))
    return all.map(one => ({ ...one, wants: wantsOf(viewOf.get(one.id), rowOf.get(one.id)) }))
  }

  return [
    page('/destinations', async visit => {
      const { query, now } = visit
      const asked = {
        q: (query.get('q') ?? '').trim(),
        state: query.get('state') ?? '',
        kind: query.get('kind') ?? '',
        sort: SORTS[query.get('sort') ?? ''] ? (query.get('sort') ?? 'state') : 'state',
        desc: query.get('desc') ?? '',
        page: Math.max(1, Number(query.get('page')) || 1),
      }
      const all = await rows()
      const chosen = all
        .filter(row => row.id.includes(asked.q) && (asked.kind === '' || row.kind === asked.kind))
        .filter(row => asked.state === '' || destinationCondition(row) === asked.state)
        .toSorted(order(asked.sort, asked.desc === '1'))
      const shown = chosen.slice((asked.page - 1) * PAGE, asked.page * PAGE)
      const body = html`${heading('Destinations', html`<a class="button" href="/destinations/new">Add an endpoint</a>`)}
${filters('/destinations', [
  field({ name: 'q', label: 'Name', value: asked.q, type: 'search' }),
  field({
    name: 'state',
    label: 'State',
    value: asked.state,
    options: [['', 'any'], ...CONDITIONS.map(one => [one, one === 'open' ? 'circuit open' : one] as const)],
  }),
  field({
    name: 'kind',
    label: 'Kind',
    value: asked.kind,
    options: [
      ['', 'any'],
      ['endpoint', 'endpoint'],
      ['handler', 'handler'],
    ],
  }),
])}
${live(
  `/destinations${queryOf(asked)}`,
  shown.length === 0
    ? all.length === 0
      ? empty(
          'No destination yet.',
          html`Put a handler into <code>handlers/</code>, or <a href="/destinations/new">add an endpoint</a>.`,
        )
      : empty('No destination is like this.', html`<a href="/destinations">Show all ${all.length}</a>`)
    : html`<p class="total">${counted(chosen.length, 'destination')}${chosen.length > PAGE ? `, page ${asked.page}` : ''}</p>${list(shown, asked, now)}${pager(chosen.length, asked)}`,
)}`
      return { title: 'Destinations', section: '/destinations', body }
    }),

    page(
      '/destinations/new',
      async visit => ({ title: 'Add an endpoint', section: '/destinations', body: newEndpoint(visit) }),
      'read',
    ),

    action('/destinations/new', 'admin', async visit => {
      const { form: given, call, viewer } = visit
      const text = (name: string) => given.get(name)?.trim() || undefined
      const types = given.getAll('types')
      const body = {
        id: text('id'),
        url: text('url'),
        description: text('description'),
        ...(types.length > 0 && { types }),
      }
      const { id, secret } = await call(EndpointCreated, 'POST /v1/endpoints', { body: defined(body) })
      const result = deps.results.put(viewer, secretShown(secret, null))
      return done(
        `The endpoint ${id} was added. It gets what happens from now on.`,
        `${links.destination(id)}?secret=${result}`,
      )
    }),
  ]
}

const defined = (members: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

function order(sort: string, descending: boolean) {
  const of = SORTS[sort]?.of ?? (({ id }: Row) => id)
  return (a: Row, b: Row): number => {
    const [x, y] = [of(a), of(b)]
    const compared = x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1
    return descending ? -compared : compared
  }
}

type Asked = Readonly<Record<string, string | number>> & { readonly sort: string; readonly desc: string }

function list(shown: readonly Row[], asked: Asked, now: number): Html {
  const sortable = (key: string, number = false) => {
    const { name = key } = SORTS[key] ?? {}
    const isSorted = asked.sort === key
    const desc = isSorted && asked.desc !== '1' ? '1' : ''
    return {
      name,
      number,
      heading: html`<a href="/destinations${queryOf({ ...asked, sort: key, desc, page: '' })}">${name}</a>`,
      ...(isSorted && { sorted: asked.desc === '1' ? ('descending' as const) : ('ascending' as const) }),
    }
  }
  const columns = [
    sortable('id'),
    sortable('state'),
    { name: 'Gets' },
    sortable('backlog', true),
    sortable('oldest', true),
    sortable('success', true),
    sortable('p99', true),
    { name: 'Last error' },
    { name: 'Next attempt' },
  ]
  const rows = shown.map(one => [
    html`<a href="${links.destination(one.id)}">${one.id}</a> <span class="hint">${one.kind}</span>`,
    html`${destinationState(one)}${one.failingSince === null ? '' : html` <span class="hint">since ${time(one.failingSince, now)}</span>`}`,
    wantsWords(one.wants),
    one.backlog.toLocaleString('en'),
    one.oldestWaitingSeconds === null ? '–' : durationWords(one.oldestWaitingSeconds * 1000),
    percent(one.successRate),
    `${milliseconds(one.latencyMs.p50)} / ${milliseconds(one.latencyMs.p99)}`,
    foreign(one.lastError),
    due(one.nextAttemptAt, now),
  ])
  return table('Destinations', columns, rows)
}

function pager(count: number, asked: Asked): Html | string {
  const at = Number(asked.page)
  const to = (number: number, label: string) =>
    html`<a class="button" href="/destinations${queryOf({ ...asked, page: number })}">${label}</a>`
  if (count <= PAGE) return ''
  return html`<nav class="pager" aria-label="Pages of the list">${at > 1 ? to(at - 1, 'Previous') : ''}${at * PAGE < count ? to(at + 1, 'Next') : ''}</nav>`
}

function newEndpoint({ viewer }: Visit): Html {
  const fields = html`${field({ name: 'url', label: 'Address', type: 'url', required: true, hint: 'https://… of the receiver. Each delivery is a signed POST.' })}
${field({ name: 'id', label: 'Id', hint: 'How it is named everywhere, such as billing. Made up if left empty.' })}
${field({ name: 'description', label: 'What it is for' })}
<fieldset><legend>Events</legend><p class="hint">None chosen: all of them.</p>${EventType.options.map(
    type => html`<label class="choice"><input type="checkbox" name="types" value="${type}"> ${typeWords(type)}</label>`,
  )}</fieldset>`
  return html`${heading('Add an endpoint')}<section class="panel narrow">${form({ viewer, action: '/destinations/new', role: 'admin', label: 'Add', kind: 'primary', body: fields })}</section>`
}
