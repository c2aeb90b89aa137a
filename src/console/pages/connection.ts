import { z } from 'zod'
import { Backfill, type Connection, PollAnswer, pageOf } from '../../../schemas/api.ts'
import type { OrderEvent } from '../../../schemas/order-event.ts'
import { notFound } from '../../api/problem.ts'
import { durationWords } from '../../lib/duration.ts'
import { whatHappened } from '../../order/what-happened.ts'
import { field, form } from '../forms.ts'
import { instantOf } from '../instant.ts'
import { heading, live } from '../layout.ts'
import { counted, due, empty, facts, foreign, type Html, html, links, table, time } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { connectionState, typeWords } from '../states.ts'
import { webhookWords } from './connections.ts'

const HOUR_MS = 3_600_000
const MOST_GROUPS = 20
const BACKFILLS = 5

/** `/connections/{id}`: one connection, what it could not understand, and what can be asked of it. */
export function connectionPages(deps: PageDeps): PageRoute[] {
  const { config, sources, store } = deps

  async function show(visit: Visit) {
    const { params, viewer, now, call, query } = visit
    const id = params.id ?? ''
    const one = (await deps.connections()).find(connection => connection.id === id)
    if (!one) throw notFound(`There is no connection "${id.slice(0, 100)}" in the configuration.`)
    const [hour, backfills, groups] = await Promise.all([
      store.events.count({ connections: [id], since: now - HOUR_MS }),
      call(pageOf(Backfill), 'GET /v1/connections/{id}/backfill', { params: { id }, query: { limit: BACKFILLS } }),
      store.quarantine.groups(MOST_GROUPS * 10),
    ])
    const path = links.connection(id)
    const result = deps.results.get(viewer, query.get('result') ?? '')
    const button = (name: string, label: string, kind?: 'primary') =>
      form({ viewer, action: `${path}/${name}`, role: 'write', label, name: `${label}: ${id}`, ...(kind && { kind }) })
    const limit = config.connections.find(connection => connection.id === id)?.rateLimit
    const body = html`${heading(html`${id} <span class="hint">${one.vendor}</span>`, html`${button('poll', 'Poll now', 'primary')}${button('dry-run', 'Dry run')}`)}
${result ?? ''}
${live(
  path,
  html`${facts([
    ['State', connectionState(one)],
    ['Behind', one.lagSeconds === null ? '–' : durationWords(one.lagSeconds * 1000)],
    ['Last read', time(one.lastSuccessAt, now)],
    ['Next poll', due(one.nextPollAt, now)],
    ['Events in the last hour', hour.toLocaleString('en')],
    ['Orders', one.ordersTracked.toLocaleString('en')],
    ['Requests', limit ? `at most ${limit.perSecond} a second` : 'as many as the vendor publishes'],
    [
      'Webhooks',
      html`${webhookWords(one)}${one.webhooks?.lastReceivedAt ? html`, last ${time(one.webhooks.lastReceivedAt, now)}` : ''}`,
    ],
  ])}
${trouble(one)}
${reconcileNote(one, now)}
${backfillList(backfills.data, now)}`,
)}
${quarantinePanel(groups.filter(group => group.connection === id).slice(0, MOST_GROUPS), id, now)}
<div class="columns"><section class="panel"><h2>Read one order</h2>${form({ viewer, action: `${path}/read`, role: 'write', label: 'Read', name: `Read one order of ${id}`, body: html`${field({ name: 'order', label: 'Its id at the vendor', required: true })}${sources.get(id)?.asksForBuyer ? field({ name: 'user', label: "Its buyer's id", hint: 'Only for an order that was never read' }) : ''}` })}</section>
${sources.get(id)?.feed.kind === 'follow' ? '' : backfillForm(visit, path, id)}</div>`
    return { title: id, section: '/connections', body }
  }

  async function poll({ params, call }: Visit, query: Readonly<Record<string, unknown>>) {
    return call(PollAnswer, 'POST /v1/connections/{id}/poll', { params: { id: params.id ?? '' }, query })
  }

  return [
    page('/connections/{id}', show),
    action('/connections/{id}/poll', 'write', async visit =>
      done(pollWords(visit.params.id ?? '', await poll(visit, {}))),
    ),
    action('/connections/{id}/dry-run', 'write', async visit => {
      const answer = await poll(visit, { dryRun: true })
      const result = deps.results.put(visit.viewer, dryRunResult(answer.data))
      const id = visit.params.id ?? ''
      return done(
        `The vendor answered: ${counted(answer.orders, 'order')} read. A poll would publish ${counted(answer.events, 'event')}; nothing was stored.`,
        `${links.connection(id)}?result=${result}`,
      )
    }),
    action('/connections/{id}/read', 'write', async visit => {
      const [order, user] = [visit.form.get('order')?.trim() ?? '', visit.form.get('user')?.trim() ?? '']
      const answer = await poll(visit, { order, ...(user !== '' && { user }) })
      const id = visit.params.id ?? ''
      return done(
        pollWords(`The order ${order}`, answer),
        answer.orders > 0 ? links.order(id, order) : links.connection(id),
      )
    }),
    action('/connections/{id}/backfill', 'write', async ({ params, form: given, call }) => {
      const id = params.id ?? ''
      const [since, until] = [instantOf(given.get('since')), instantOf(given.get('until'))]
      await call(z.unknown(), 'POST /v1/connections/{id}/backfill', {
        params: { id },
        body: { since, ...(until !== undefined && { until }) },
      })
      return done(`${id} reads the span again, beside its polls. What is missing is published.`)
    }),
  ]
}

function pollWords(what: string, { orders, events, quarantined }: z.output<typeof PollAnswer>): string {
  const odd = quarantined > 0 ? ` ${counted(quarantined, 'entry', 'entries')} went to quarantine.` : ''
  return `${what} was read: ${counted(orders, 'changed order')}, ${counted(events, 'new event')}.${odd}`
}

function trouble(one: Connection): Html | string {
  const notes = [
    one.lastError === null
      ? null
      : html`<div class="note ${one.state === 'ok' || one.state === 'behind' ? 'warn' : 'bad'}">${foreign(one.lastError)}</div>`,
    one.webhooks?.silent
      ? html`<div class="note warn">Polls find changes that no webhook announces. Create the subscription at the vendor again; until then polls find everything, a little later.</div>`
      : null,
    one.clock === null ? null : html`<div class="note warn">${foreign(one.clock.warning)}</div>`,
  ]
  return html`${notes.filter(note => note !== null)}`
}

function reconcileNote({ reconcile }: Connection, now: number): Html | string {
  if (reconcile === null) return ''
  const { lastAt, nextAt, orders, events, lastError } = reconcile
  return html`<p class="hint">Recent orders are read again from time to time: last ${time(lastAt, now)} (${counted(orders, 'order')}, ${counted(events, 'event')} that no poll had shown), next ${time(nextAt, now)}.${lastError === null ? '' : html` Now: ${foreign(lastError)}`}</p>`
}

function backfillList(all: readonly z.output<typeof Backfill>[], now: number): Html | string {
  if (all.length === 0) return ''
  const columns = [
    { name: 'Span' },
    { name: 'State' },
    { name: 'Read', number: true },
    { name: 'Time left' },
    { name: 'Events', number: true },
  ]
  const rows = all.map(one => [
    html`${time(one.since, now)} – ${one.until === null ? 'now' : time(one.until, now)}`,
    html`${one.state}${one.error === null ? '' : html`: ${foreign(one.error)}`}`,
    `${Math.round(one.progress * 100)} %`,
    one.secondsLeft === null ? '–' : durationWords(one.secondsLeft * 1000),
    one.events.toLocaleString('en'),
  ])
  return html`<section class="panel"><h2>Backfills</h2>${table('Backfills', columns, rows)}</section>`
}

const backfillForm = ({ viewer }: Visit, path: string, id: string): Html =>
  html`<section class="panel"><h2>Backfill</h2><p class="hint">Reads a span again, at low priority. Survives a restart.</p>${form({ viewer, action: `${path}/backfill`, role: 'write', label: 'Begin', name: `Begin a backfill of ${id}`, body: html`${field({ name: 'since', label: 'Changed since', required: true, hint: 'Such as 2026-03-02' })}${field({ name: 'until', label: 'Until', hint: 'Now, if left empty' })}` })}</section>`

function quarantinePanel(
  groups: readonly { path: string; reason: string; count: number; lastAt: number }[],
  id: string,
  now: number,
): Html | string {
  if (groups.length === 0) return ''
  const columns = [{ name: 'Where' }, { name: 'Why' }, { name: 'Entries', number: true }, { name: 'Latest' }]
  const rows = groups.map(({ path, reason, count, lastAt }) => [
    html`<code>${foreign(path)}</code>`,
    foreign(reason),
    count.toLocaleString('en'),
    time(lastAt, now),
  ])
  return html`<section class="panel"><h2>Not understood</h2>${table('Quarantine by place and reason', columns, rows)}<p><a href="/quarantine?connection=${id}">Look at the entries</a></p></section>`
}

const dryRunResult = (events: readonly OrderEvent[]): Html =>
  html`<section class="panel"><h2>A poll would publish</h2>${
    events.length === 0
      ? empty('Nothing: everything that the vendor shows is published.')
      : html`<ul class="story">${events.slice(0, 50).map(event => html`<li><strong>${typeWords(event.type)}</strong> of ${foreign(event.subject)}: ${foreign(whatHappened(event))}</li>`)}</ul>`
  }</section>`
