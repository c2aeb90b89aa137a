import { z } from 'zod'
import { type Destination, Endpoint, Queued, Retried, RotateAnswer, TestAnswer } from '../../../schemas/api.ts'
import { EventType } from '../../../schemas/order-event.ts'
import { mayCall } from '../../api/auth/authenticate.ts'
import { notFound } from '../../api/problem.ts'
import { deliveryPanel } from '../delivery-view.ts'
import { previewOf, replayBody, replayPanel, testPanel, testResult } from '../destination-panels.ts'
import { failureCharts, failureGroups } from '../failure-view.ts'
import { filterPanel, filterResult } from '../filter-view.ts'
import { field, form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { counted, due, facts, foreign, type Html, html, links, queryOf, time } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { secretShown } from '../secret-view.ts'
import { destinationCondition, destinationState, milliseconds, percent, typeWords } from '../states.ts'
import { wantsOf, wantsWords } from '../wants-view.ts'

/** Charts and groups of failures are of this many newest attempts. */
const ATTEMPTS = 1_000

/** `/destinations/{id}`: how one is doing, why, and what can be done. */
export function destinationPages(deps: PageDeps): PageRoute[] {
  async function found(id: string): Promise<Destination> {
    const one = (await deps.destinations()).find(destination => destination.id === id)
    if (!one) throw notFound(`There is no destination "${id.slice(0, 100)}".`)
    return one
  }

  async function show(visit: Visit) {
    const { params, query, viewer, now, call } = visit
    const one = await found(params.id ?? '')
    const { id, kind } = one
    const [attempts, row, views, deliveries] = await Promise.all([
      deps.store.deliveries.recent(id, ATTEMPTS),
      kind === 'endpoint' ? deps.store.endpoints.get(id) : null,
      deps.known.destinations(),
      deliveryPanel(deps, visit, { destination: id }),
    ])
    const wants = wantsOf(
      views.find(view => view.id === id),
      row,
    )
    const endpoint = row && (await call(Endpoint, 'GET /v1/endpoints/{id}', { params: { id } }))
    const preview = query.get('replay') === null || !mayCall(viewer.role, 'write') ? null : await previewOf(visit, id)
    const tested = query.get('tested')
    const result = tested === null ? null : deps.results.get(viewer, tested)
    const secret = query.get('secret')
    const shown = secret === null ? null : deps.results.take(viewer, secret)
    const place = { id, path: links.destination(id) }
    const body = html`${heading(html`${id} <span class="hint">${kind}</span>`, actions(visit, one))}
${shown ?? ''}
${live(
  `${links.destination(id)}${queryOf(Object.fromEntries([...query].filter(([name]) => name !== 'secret')))}`,
  html`${facts([
    [
      'State',
      html`${destinationState(one)}${one.failingSince === null ? '' : html` since ${time(one.failingSince, now)}`}`,
    ],
    ['Gets', wantsWords(wants)],
    ['Waiting', `${counted(one.backlog, 'event')}`],
    ['Next attempt', due(one.nextAttemptAt, now)],
    ['Success', percent(one.successRate)],
    ['p50 / p99', `${milliseconds(one.latencyMs.p50)} / ${milliseconds(one.latencyMs.p99)}`],
    ['Last success', time(one.lastSuccessAt, now)],
    [
      'Dead letters',
      html`<a href="/dead-letters${queryOf({ destination: id })}">${one.deadLetters.toLocaleString('en')}</a>`,
    ],
  ])}
${why(one, now)}
${failureGroups(attempts, now)}
${failureCharts(attempts)}`,
)}
${deliveries}
<div class="columns">${replayPanel(visit, place, preview)}${endpoint ? testPanel(visit, place, result) : ''}</div>
${endpoint ? settingsPanel(visit, endpoint) : ''}
${endpoint ? filterPanel(endpoint, query, query.has('filter') ? await filterResult(visit) : null) : ''}`
    return { title: id, section: '/destinations', body }
  }

  const simple = (name: 'pause' | 'resume', text: (id: string) => string) =>
    action(`/destinations/{id}/${name}`, 'write', async ({ params, call }) => {
      const id = params.id ?? ''
      await call(z.unknown(), `POST /v1/destinations/{id}/${name}`, { params: { id } })
      return done(text(id))
    })

  return [
    page('/destinations/{id}', show),
    simple('pause', id => `${id} is paused. It misses nothing: its events wait until it is resumed.`),
    simple('resume', id => `${id} goes on. What has waited is delivered now, in order.`),
    action('/destinations/{id}/retry', 'write', async ({ params, call }) => {
      const id = params.id ?? ''
      const { waiting } = await call(Retried, 'POST /v1/destinations/{id}/retry', { params: { id } })
      return done(waiting === 0 ? `Nothing waits for ${id}.` : `${counted(waiting, 'event')} of ${id} are tried now.`)
    }),
    action('/destinations/{id}/replay', 'write', async ({ params, form: given, call }) => {
      const id = params.id ?? ''
      const { queued } = await call(Queued, 'POST /v1/destinations/{id}/replay', {
        params: { id },
        body: replayBody(given),
      })
      return done(
        queued === 0
          ? `No past event matches; nothing was queued for ${id}.`
          : `${counted(queued, 'event')} queued for ${id} again, in order.`,
        links.destination(id),
      )
    }),
    action('/destinations/{id}/test', 'write', async visit => {
      const { params, form: given, call, viewer } = visit
      const id = params.id ?? ''
      const type = given.get('type') || undefined
      const answer = await call(TestAnswer, 'POST /v1/endpoints/{id}/test', {
        params: { id },
        body: { ...(type && { type }) },
      })
      const name = deps.results.put(viewer, testResult(answer))
      const { statusCode, error, ms } = answer
      const text = `The test event was answered ${statusCode ?? 'with nothing'} after ${milliseconds(ms)}${error === null ? '.' : `: ${error}`}`
      return {
        message: { tone: error === null ? 'good' : 'bad', text },
        to: `${links.destination(id)}?tested=${name}#test`,
      }
    }),
    action('/destinations/{id}/rotate', 'admin', async ({ params, call, viewer }) => {
      const id = params.id ?? ''
      const { secret, previousValidUntil } = await call(RotateAnswer, 'POST /v1/endpoints/{id}/rotate-secret', {
        params: { id },
      })
      const name = deps.results.put(viewer, secretShown(secret, previousValidUntil))
      return done(`${id} has a new secret.`, `${links.destination(id)}?secret=${name}`)
    }),
    action('/destinations/{id}/remove', 'admin', async ({ params, form: given, call }) => {
      const id = params.id ?? ''
      if (given.get('typed') !== id)
        return { message: { tone: 'bad', text: `Nothing was removed: type the id "${id}" to remove it.` } }
      await call(z.unknown(), 'DELETE /v1/endpoints/{id}', { params: { id } })
      return done(`The endpoint ${id} was removed, with what waited for it.`, '/destinations')
    }),
    action('/destinations/{id}/settings', 'admin', async ({ params, form: given, call }) => {
      const id = params.id ?? ''
      const types = given.getAll('types')
      const filter = given.get('filter')?.trim()
      const body = {
        url: given.get('url')?.trim(),
        description: given.get('description')?.trim() || null,
        types: types.length === 0 ? null : types,
        filter: filter ? parsedFilter(filter) : null,
      }
      await call(z.unknown(), 'PATCH /v1/endpoints/{id}', { params: { id }, body })
      return done(`The settings of ${id} are changed.`)
    }),
  ]
}

function parsedFilter(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function actions({ viewer }: Visit, one: Destination): Html {
  const { id, state: stored } = one
  const path = links.destination(id)
  const held = stored === 'paused' || stored === 'disabled'
  const button = (name: string, label: string, more: { kind?: 'primary'; disabled?: string; confirm?: string } = {}) =>
    form({ viewer, action: `${path}/${name}`, role: 'write', label, name: `${label}: ${id}`, ...more })
  return html`${held ? button('resume', 'Resume', { kind: 'primary' }) : button('retry', 'Try all now', { kind: 'primary', ...(one.backlog === 0 && { disabled: 'Nothing waits.' }) })}${held ? '' : button('pause', 'Pause')}`
}

/** Why it gets nothing now, and what happens next. */
function why(one: Destination, now: number): Html | string {
  const { stateReason, restingUntil, nextAttemptAt, failuresInRow } = one
  const condition = destinationCondition(one)
  const next = nextAttemptAt === null ? '' : html` The next probe is due ${due(nextAttemptAt, now)}.`
  if (condition === 'open')
    return html`<div class="note bad">Its circuit is open after ${counted(failuresInRow, 'failed attempt')} in a row: only probes are sent, and everything else waits in order.${next}</div>`
  if (condition === 'resting')
    return html`<div class="note warn">It answered with Retry-After, and is sent nothing until ${time(restingUntil, now)}.</div>`
  if (condition === 'paused' || condition === 'disabled')
    return html`<div class="note warn">${foreign(stateReason ?? `It is ${condition}.`)} Its events wait; resume it to deliver them.</div>`
  return ''
}

function settingsPanel({ viewer }: Visit, endpoint: z.output<typeof Endpoint>): Html {
  const { id, url, description, types, connections, filter, headerNames, delivery, declared, createdAt } = endpoint
  const path = links.destination(id)
  const frozen = declared ? 'It is declared in the configuration; change it there.' : undefined
  const known = facts([
    ['Connections', connections === null ? 'all' : connections.join(', ')],
    ['Own headers', headerNames.length === 0 ? 'none' : foreign(headerNames.join(', '))],
    ['Delivery', delivery === null ? 'as configured for all' : html`<code>${JSON.stringify(delivery)}</code>`],
    ['Added', time(createdAt, Date.parse(createdAt))],
  ])
  const fields = html`${field({ name: 'url', label: 'Address', value: url, type: 'url', required: true, scope: 'own-' })}${field({ name: 'description', label: 'What it is for', value: description, scope: 'own-' })}<fieldset><legend>Events (none chosen: all)</legend>${EventType.options.map(
    type =>
      html`<label class="choice"><input type="checkbox" name="types" value="${type}"${types?.includes(type) ? html` checked` : ''}> ${typeWords(type)}</label>`,
  )}</fieldset>${field({ name: 'filter', label: 'Filter', value: filter === null ? '' : JSON.stringify(filter), hint: 'JSON; conditions on members of the event. Try it below first.', scope: 'own-' })}`
  return html`<section class="panel"><h2>Settings</h2>${known}${form({ viewer, action: `${path}/settings`, role: 'admin', label: 'Save', body: fields, disabled: frozen })}
<div class="danger-zone">${form({ viewer, action: `${path}/rotate`, role: 'admin', label: 'Rotate the secret', disabled: frozen, confirm: `Make a new secret for ${id}? For 24 hours both sign.` })}
${form({ viewer, action: `${path}/remove`, role: 'admin', label: 'Remove', kind: 'danger', disabled: frozen, body: field({ name: 'typed', label: `Type ${id} to remove it`, scope: 'remove-' }) })}</div></section>`
}
