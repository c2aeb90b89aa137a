import { z } from 'zod'
import { Queued, RotateAnswer, TestAnswer } from '../../../schemas/api.ts'
import { EventType } from '../../../schemas/order-event.ts'
import { notFound, Refusal } from '../../api/problem.ts'
import { sampleEvent } from '../../order/sample-event.ts'
import { deliveryList, deliveryPanel } from '../delivery-view.ts'
import { previewOf, replayBody, replayPanel, testPanel, testResult } from '../destination-panels.ts'
import { failureCharts, failureGroups } from '../failure-view.ts'
import { form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { counted, facts, foreign, foreignBlock, type Html, html, time } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { membersTable } from '../schema-view.ts'
import { secretShown } from '../secret-view.ts'
import { destinationState, percent, typeWords } from '../states.ts'

const ATTEMPTS = 1_000
const DAY_MS = 86_400_000

/** `/portal`: what a subscriber sees, its own endpoint and nothing else. The endpoint is the session's; no parameter names one. */
export function portalPages(deps: PageDeps): PageRoute[] {
  const { store, results, clock, forSubscriber } = deps

  async function mine({ viewer }: Pick<Visit, 'viewer'>) {
    const id = viewer.endpoint ?? ''
    const row = await store.endpoints.get(id)
    const one = row && (await deps.destinations()).find(destination => destination.id === id)
    if (!row || !one) throw notFound('Your endpoint was removed.')
    return { id, row, one }
  }

  /** The subscriber's endpoint, if its link allows this. */
  function allowed({ viewer }: Pick<Visit, 'viewer'>, what: string): string {
    if (viewer.endpoint === null || !viewer.may.includes(what)) throw new Refusal(403, 'Your link does not allow this.')
    return viewer.endpoint
  }

  async function show(visit: Visit) {
    const { viewer, query, now, c } = visit
    const { id, row, one } = await mine(visit)
    const [attempts, deliveries] = await Promise.all([
      store.deliveries.recent(id, ATTEMPTS),
      deliveryPanel(deps, visit, { destination: id, subscriber: true }),
    ])
    const may = (what: string) => ({ id, path: '/portal', allowed: viewer.may.includes(what) })
    const asks = query.has('replay') && viewer.may.includes('replay')
    const preview = asks ? await previewOf({ query, call: forSubscriber(c) }, id) : null
    const secret = results.take(viewer, query.get('secret') ?? '')
    const held = one.state === 'paused' || one.state === 'disabled'
    const button = (name: string, label: string, more: { confirm?: string; disabled?: string } = {}) =>
      form({ viewer, action: `/portal/${name}`, role: 'admin', label, allowed: viewer.may.includes(name), ...more })
    const body = html`${heading(id, html`<a class="button" href="/portal/catalogue">Catalogue</a>${button('resume', 'Resume', held ? {} : { disabled: 'It is not held back.' })}${button('rotate', 'Rotate the secret', { confirm: 'Make a new secret? For 24 hours both sign.' })}`)}
${secret ?? ''}
${live(
  '/portal',
  html`${facts([
    ['State', destinationState(one)],
    ['Address', foreign(row.url)],
    ['Waiting', counted(one.backlog, 'event')],
    ['Success', percent(one.successRate)],
    ['Last success', time(one.lastSuccessAt, now)],
    ['Next attempt', time(one.nextAttemptAt, now)],
  ])}${one.stateReason === null ? '' : html`<div class="note warn">${foreign(one.stateReason)}</div>`}
${failureGroups(attempts, now)}${failureCharts(attempts)}`,
)}
${deliveries}
<div class="columns">${replayPanel(visit, may('replay'), preview)}${testPanel(visit, may('test'), results.get(viewer, query.get('tested') ?? ''))}</div>`
    return { title: id, body }
  }

  return [
    page('/portal', show, 'subscriber'),

    page(
      '/portal/events/{id}',
      async visit => {
        const { id } = await mine(visit)
        const delivery = await store.deliveries.get(id, visit.params.id ?? '')
        const event = delivery && (await store.events.get(delivery.eventId))
        // The same words for an event of somebody else as for none.
        if (!event) throw notFound('Your endpoint was sent no event with this id.')
        const text = JSON.stringify(JSON.parse(event.body), null, 2)
        const body = html`${heading(typeWords(event.type))}<p><a href="/portal">Back to ${id}</a></p><section class="panel"><h2>Delivery</h2>${deliveryList([delivery], visit.now, { subscriber: true })}</section><section class="panel"><h2>What is sent</h2>${foreignBlock(text, 'The event')}</section>`
        return { title: event.type, body }
      },
      'subscriber',
    ),

    page('/portal/catalogue', async () => ({ title: 'Catalogue', body: catalogue(clock.now()) }), 'subscriber'),

    action('/portal/resume', 'subscriber', async visit => {
      const id = allowed(visit, 'resume')
      await forSubscriber(visit.c)(z.unknown(), 'POST /v1/destinations/{id}/resume', { params: { id } })
      return done('Your endpoint goes on. What has waited is delivered now, in order.', '/portal')
    }),

    action('/portal/test', 'subscriber', async visit => {
      const id = allowed(visit, 'test')
      const type = visit.form.get('type') || undefined
      const answer = await forSubscriber(visit.c)(TestAnswer, 'POST /v1/endpoints/{id}/test', {
        params: { id },
        body: { ...(type && { type }) },
      })
      const name = results.put(visit.viewer, testResult(answer))
      const text = `Your endpoint answered ${answer.statusCode ?? 'nothing'}${answer.error === null ? '.' : `: ${answer.error}`}`
      return { message: { tone: answer.error === null ? 'good' : 'bad', text }, to: `/portal?tested=${name}#test` }
    }),

    action('/portal/replay', 'subscriber', async visit => {
      const id = allowed(visit, 'replay')
      const { queued } = await forSubscriber(visit.c)(Queued, 'POST /v1/destinations/{id}/replay', {
        params: { id },
        body: replayBody(visit.form),
      })
      return done(`${counted(queued, 'event')} queued for your endpoint again, in order.`, '/portal')
    }),

    action('/portal/rotate', 'subscriber', async visit => {
      const id = allowed(visit, 'rotate')
      const answer = await forSubscriber(visit.c)(RotateAnswer, 'POST /v1/endpoints/{id}/rotate-secret', {
        params: { id },
      })
      const name = results.put(visit.viewer, secretShown(answer.secret, answer.previousValidUntil))
      return done('Your endpoint has a new secret.', `/portal?secret=${name}`)
    }),
  ]
}

/** Without events of the history: those may be of other connections. */
const catalogue = (now: number): Html =>
  html`${heading('Catalogue', html`<a class="button" href="/schemas/order-event-1.json">JSON Schema</a><a class="button" href="/schemas/order-event-1.d.ts" download>TypeScript types</a>`)}<p><a href="/portal">Back to your endpoint</a></p>${EventType.options.map(
    type =>
      html`<section class="panel"><h2>${typeWords(type)} <code class="hint">${type}</code></h2><details><summary>Sample</summary>${foreignBlock(JSON.stringify(JSON.parse(sampleEvent(type, Math.floor(now / DAY_MS) * DAY_MS).body), null, 2), `A sample of ${type}`)}</details><details><summary>Members, and when they are null</summary>${membersTable(type)}</details></section>`,
  )}`
