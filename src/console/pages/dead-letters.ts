import { Discarded, Queued } from '../../../schemas/api.ts'
import { mayCall } from '../../api/auth/authenticate.ts'
import { notFound, Refusal } from '../../api/problem.ts'
import type { DeadLetterGroup, DeadLetterRow } from '../../store/port/dead-letters.ts'
import { field, filters, form } from '../forms.ts'
import { groupOf } from '../groups.ts'
import { heading, live } from '../layout.ts'
import {
  counted,
  empty,
  facts,
  foreign,
  foreignText,
  type Html,
  html,
  links,
  queryOf,
  segment,
  state,
  table,
  time,
} from '../markup.ts'
import { action, type Done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { formToken } from '../sessions.ts'
import { typeWords } from '../states.ts'

const PAGE = 50
const MOST_GROUPS = 100
const GONE = 'Nothing was done: somebody else was first, or they expired.'

/** `/dead-letters`: what was given up, by destination and error, and its way back. */
export function deadLetterPages({ store, known, clock }: PageDeps): PageRoute[] {
  async function groupsOf(destination: string): Promise<readonly DeadLetterGroup[]> {
    const there = new Set((await known.destinations()).map(({ id }) => id))
    const all = await store.deadLetters.groups(0, MOST_GROUPS)
    return all.filter(
      group => there.has(group.destination) && (destination === '' || group.destination === destination),
    )
  }

  async function show(visit: Visit) {
    const { query, viewer, now } = visit
    const destination = query.get('destination') ?? ''
    const after = Number(query.get('after')) || 0
    const groups = await groupsOf(destination)
    const asked = query.get('group')
    const error = groups.find(one => groupOf(one.error) === asked)?.error ?? null
    const filter = { ...(destination !== '' && { destination }), ...(error !== null && { error }) }
    const [rows, count, ends] = await Promise.all([
      error === null ? [] : store.deadLetters.list(filter, { limit: PAGE + 1, ...(after > 0 && { after }) }),
      error === null ? 0 : store.deadLetters.count(filter),
      known.destinations(),
    ])
    const last = rows[PAGE - 1]
    const body = html`${heading('Dead letters')}
${filters('/dead-letters', [
  field({
    name: 'destination',
    label: 'Destination',
    value: destination,
    options: [['', 'any'], ...ends.map(({ id }) => [id, id] as const)],
  }),
])}
${live(
  `/dead-letters${queryOf({ destination, group: asked })}`,
  groups.length === 0
    ? empty(
        'No dead letter.',
        destination === ''
          ? 'Every event reached its destinations, or still waits for them.'
          : html`<a href="/dead-letters">Look at all destinations</a>`,
      )
    : groupTable(groups, viewer, now),
)}
${
  error === null
    ? ''
    : html`<section class="panel" id="letters"><h2>${counted(count, 'dead letter')} of ${destination}</h2><div class="reason">${foreign(error)}</div>${
        rows.length === 0 ? empty('None is left.') : letters(rows.slice(0, PAGE), { count, destination, error }, visit)
      }${rows.length > PAGE && last ? html`<nav class="pager" aria-label="Pages of the list"><a class="button" href="/dead-letters${queryOf({ destination, group: asked, after: last.n })}#letters">Older</a></nav>` : ''}</section>`
}`
    return { title: 'Dead letters', section: '/dead-letters', body }
  }

  /** The letters that a form names: the chosen ones, or all that match. */
  async function askedOf(given: URLSearchParams) {
    if (given.get('scope') === 'chosen') return { ids: given.getAll('ids') }
    const destination = given.get('destination') ?? ''
    const named = given.get('group')
    const group = named === null ? null : (await groupsOf(destination)).find(({ error }) => groupOf(error) === named)
    if (group === undefined) throw new Refusal(404, GONE)
    return { ...(destination !== '' && { destination }), ...(group !== null && { error: group.error }) }
  }

  const noneChosen = (given: URLSearchParams): Done | null =>
    given.get('scope') === 'chosen' && given.getAll('ids').length === 0
      ? { message: { tone: 'bad', text: 'Nothing was done: choose at least one dead letter.' } }
      : null

  return [
    page('/dead-letters', show),

    page('/dead-letters/{id}', async ({ params, viewer, now }) => {
      const letter = await store.deadLetters.get(params.id ?? '')
      if (!letter)
        throw notFound('There is no dead letter with this id (any more): it was redriven, discarded, or it expired.')
      const { id, destination, event, at, attempts, lastError, holding } = letter
      const name = nameOf(letter)
      const fields = { ids: id, scope: 'chosen' }
      const body = html`${heading(html`Dead letter <span class="hint">of ${destination}</span>`, html`${form({ viewer, action: '/dead-letters/redrive', role: 'write', label: 'Redrive', name: `Redrive ${name}`, kind: 'primary', fields })}`)}
${facts([
  ['Event', html`<a href="${links.event(event.id)}">${typeWords(event.type)}</a>`],
  [
    'Order',
    html`<a href="${links.order(event.connection, event.orderId)}">${foreign(event.orderKey, { short: true })}</a>`,
  ],
  ['Destination', html`<a href="${links.destination(destination)}">${destination}</a>`],
  ['Given up', time(at, now)],
  ['Attempts', `${attempts}`],
  ['Holds its order', holding ? 'yes: later events wait for a redrive' : 'no'],
])}
<div class="note bad">${foreign(lastError)}</div>
<section class="panel narrow"><h2>Discard</h2>${form({ viewer, action: '/dead-letters/discard', role: 'write', label: 'Discard', name: `Discard ${name}`, kind: 'danger', fields, body: field({ name: 'reason', label: 'Why', required: true }), confirm: `Discard ${name}? Its event stays in the history.` })}</section>`
      return { title: 'Dead letter', section: '/dead-letters', body }
    }),

    action('/dead-letters/redrive', 'write', async ({ form: given, call }) => {
      const nothing = noneChosen(given)
      if (nothing) return nothing
      const since = clock.now()
      const body = await askedOf(given)
      const [first] = 'ids' in body && body.ids ? body.ids : []
      const destination =
        given.get('destination') ?? (first === undefined ? null : first.slice(0, first.lastIndexOf(':')))
      const { queued } = await call(Queued, 'POST /v1/dead-letters/redrive', { body })
      const text = queued === 0 ? GONE : `${counted(queued, 'event')} queued again, in order.`
      return {
        message: {
          tone: queued === 0 ? 'bad' : 'good',
          text,
          ...(destination && queued > 0 && { follow: { destination, queued, since } }),
        },
        to: '/dead-letters',
      }
    }),

    action('/dead-letters/discard', 'write', async ({ form: given, call }) => {
      const nothing = noneChosen(given)
      if (nothing) return nothing
      const body = { ...(await askedOf(given)), reason: given.get('reason') ?? '' }
      const { discarded } = await call(Discarded, 'POST /v1/dead-letters/discard', { body })
      return {
        message: {
          tone: 'good',
          text: `${counted(discarded, 'dead letter')} discarded. Their events stay in the history; a replay can still deliver them.`,
        },
        to: '/dead-letters',
      }
    }),
  ]
}

const nameOf = ({ event, destination }: DeadLetterRow): string =>
  `${event.type} of ${foreignText(event.orderKey)} to ${destination}`

function groupTable(groups: readonly DeadLetterGroup[], viewer: Visit['viewer'], now: number): Html {
  const columns = [
    { name: 'Destination' },
    { name: 'Error' },
    { name: 'Letters', number: true },
    { name: 'First' },
    { name: 'Latest' },
    { name: '' },
  ]
  const rows = groups.map(({ destination, error, count, firstAt, lastAt }) => [
    html`<a href="${links.destination(destination)}">${destination}</a>`,
    foreign(error),
    count.toLocaleString('en'),
    time(firstAt, now),
    time(lastAt, now),
    html`<div class="buttons"><a class="button" href="/dead-letters${queryOf({ destination, group: groupOf(error) })}#letters" aria-label="Look at the ${count} of ${destination}: ${foreignText(error)}">Look</a>${form(
      {
        viewer,
        action: '/dead-letters/redrive',
        role: 'write',
        label: `Redrive ${count}`,
        name: `Redrive ${count} to ${destination}: ${foreignText(error)}`,
        fields: { destination, group: groupOf(error) },
        confirm: `Queue ${counted(count, 'event')} for ${destination} again?`,
      },
    )}</div>`,
  ])
  return table('Dead letters by destination and error', columns, rows)
}

interface Group {
  readonly count: number
  readonly destination: string
  readonly error: string
}

/** Rows to choose from, and what to do with the chosen ones or with all that match. */
function letters(rows: readonly DeadLetterRow[], { count, destination, error }: Group, { viewer, now }: Visit): Html {
  const may = mayCall(viewer.role, 'write')
  const why = may
    ? ''
    : html` disabled title="This needs the role &quot;write&quot;; yours is &quot;${viewer.role ?? ''}&quot;."`
  const columns = [
    { name: 'Choose' },
    { name: 'Event' },
    { name: 'Order' },
    { name: 'Attempts', number: true },
    { name: 'Given up' },
    { name: '' },
  ]
  const cells = rows.map(letter => {
    const { id, event, attempts, at, holding } = letter
    return [
      html`<input type="checkbox" name="ids" value="${id}" aria-label="Choose ${nameOf(letter)}"${why}>`,
      html`<a href="${links.event(event.id)}">${typeWords(event.type)}</a>`,
      html`<a href="${links.order(event.connection, event.orderId)}">${foreign(event.orderKey, { short: true })}</a>`,
      `${attempts}`,
      time(at, now),
      html`${holding ? state('holds its order', 'warn') : ''} <a href="/dead-letters/${segment(id)}" aria-label="Open ${nameOf(letter)}">Open</a>`,
    ]
  })
  const button = (action: string, scope: string, label: string, kind: string, confirm: string) =>
    html`<button class="${kind}" name="scope" value="${scope}" formaction="/dead-letters/${action}" data-confirm="${confirm}"${action === 'redrive' ? html` formnovalidate` : ''}${why}>${label}</button>`
  return html`<form method="post" action="/dead-letters/redrive" class="stack"><input type="hidden" name="token" value="${formToken(viewer)}"><input type="hidden" name="destination" value="${destination}"><input type="hidden" name="group" value="${groupOf(error)}">
<label class="choice" data-script hidden><input type="checkbox" data-all> Choose all on this page</label>
${table('Dead letters to choose from', columns, cells)}
<div class="toolbar">${button('redrive', 'chosen', 'Redrive the chosen', 'primary', `Queue the {n} chosen events for ${destination} again?`)}${button('redrive', 'all', `Redrive all ${count} that match`, 'quiet', `Queue ${counted(count, 'event')} for ${destination} again?`)}</div>
<div class="discard">${field({ name: 'reason', label: 'Why discard', hint: 'It is logged', required: true })}<div class="toolbar">${button('discard', 'chosen', 'Discard the chosen', 'danger', `Discard the {n} chosen dead letters of ${destination}? Their events stay in the history.`)}${button('discard', 'all', `Discard all ${count} that match`, 'danger', `Discard ${counted(count, 'dead letter')} of ${destination}? Their events stay in the history.`)}</div></div></form>`
}
