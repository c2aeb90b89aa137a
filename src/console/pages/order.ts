import { PollAnswer, Queued } from '../../../schemas/api.ts'
import { OrderEvent } from '../../../schemas/order-event.ts'
import { notFound } from '../../api/problem.ts'
import { whatHappened } from '../../order/what-happened.ts'
import type { DeliveryRow } from '../../store/port/deliveries.ts'
import type { OrderRow } from '../../store/port/orders.ts'
import { field, form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import {
  counted,
  due,
  empty,
  facts,
  foreign,
  foreignText,
  type Html,
  html,
  links,
  preciseTime,
  table,
  time,
} from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { quarantineList } from '../quarantine-view.ts'
import { typeWords } from '../states.ts'
import { type Told, timeline } from '../timeline.ts'

const MOST_DELIVERIES = 250
const MOST_ENTRIES = 50

/** `/orders/{connection}/{orderId}`: one order, what happened to it, and how each destination was told. */
export function orderPages(deps: PageDeps): PageRoute[] {
  const { store } = deps

  async function found(connection: string, name: string): Promise<OrderRow> {
    const row = await store.orders.get(connection, name)
    if (row) return row
    const [first, ...others] = await store.orders.idsOfNumber(name, connection)
    const byNumber = first && others.length === 0 ? await store.orders.get(connection, first.orderId) : null
    if (byNumber) return byNumber
    throw notFound(`No order with this id or number was seen on "${connection}".`)
  }

  /** Each event with its deliveries, in sequence. */
  async function toldOf({ connection, orderId }: OrderRow): Promise<Told[]> {
    const events = await store.events.ofOrder(connection, orderId)
    const key = `${connection}/${orderId}`
    const byEvent = new Map<string, DeliveryRow[]>()
    for (let after: string | undefined; ; ) {
      const page = await store.deliveries.list(
        { orderId },
        { limit: MOST_DELIVERIES, ...(after !== undefined && { after }) },
      )
      for (const row of page.data)
        if (row.orderKey === key) byEvent.set(row.eventId, [...(byEvent.get(row.eventId) ?? []), row])
      if (page.next === null) break
      after = page.next
    }
    return events.map(({ id, body }) => ({
      event: OrderEvent.parse(JSON.parse(body)),
      deliveries: (byEvent.get(id) ?? []).toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    }))
  }

  async function show(visit: Visit) {
    const { params, viewer, now, query } = visit
    const row = await found(params.connection ?? '', params.orderId ?? '')
    const { connection, orderId, snapshot } = row
    const [told, quarantine, destinations] = await Promise.all([
      toldOf(row),
      store.quarantine.list({ connection, orderId }, { limit: MOST_ENTRIES }),
      deps.known.destinations(),
    ])
    const result = deps.results.get(viewer, query.get('result') ?? '')
    const number = snapshot.orderNumber ?? orderId
    const path = links.order(connection, orderId)
    const button = (name: string, label: string) =>
      form({ viewer, action: `${path}/${name}`, role: 'write', label, name: `${label}: order ${foreignText(number)}` })
    const body = html`${heading(html`Order ${foreign(number)}`, html`${button('read', 'Read again')}${button('compare', 'Compare with the vendor')}`)}
${result ?? ''}
${live(
  path,
  html`${facts([
    ['Connection', html`<a href="${links.connection(connection)}">${connection}</a>`],
    ['Id', foreign(orderId)],
    ['Total', html`${foreign(snapshot.total)} ${snapshot.currency ?? ''}`],
    ["Vendor's status", foreign(snapshot.status)],
    ['Placed', time(snapshot.placedAt, now)],
    ['Changed at the vendor', time(snapshot.updatedAt, now)],
    ['Last change seen', time(row.observedAt, now)],
    ['Goes to', foreign(snapshot.shipTo?.country)],
  ])}
<section class="panel"><h2>What happened, and who knows</h2>${
    told.length === 0
      ? empty('No fact yet.', 'The vendor shows nothing of this order that can be published.')
      : html`${timeline(told, now)}${story(told, now)}`
  }</section>`,
)}
${quarantine.length === 0 ? '' : html`<section class="panel"><h2>Not understood</h2>${quarantineList(quarantine, viewer, now)}</section>`}
<section class="panel"><h2>Lines</h2>${lines(snapshot)}</section>
${resendPanel(visit, path, told, destinations)}`
    return { title: `Order ${foreignText(number)}`, section: '/orders', body }
  }

  /** Reads it at the vendor. `dryRun`: stores and publishes nothing. */
  const read = ({ params, call }: Visit, dryRun: boolean) =>
    call(PollAnswer, 'POST /v1/connections/{id}/poll', {
      params: { id: params.connection ?? '' },
      query: { order: params.orderId ?? '', ...(dryRun && { dryRun }) },
    })

  return [
    page('/orders/{connection}/{orderId}', show),
    action('/orders/{connection}/{orderId}/read', 'write', async visit => {
      const { events, quarantined } = await read(visit, false)
      const odd = quarantined > 0 ? ` ${counted(quarantined, 'value')} could not be understood.` : ''
      return done(
        `The order was read. ${events === 0 ? 'It shows nothing new.' : `${counted(events, 'new event')} published.`}${odd}`,
      )
    }),
    action('/orders/{connection}/{orderId}/compare', 'write', async visit => {
      const { data, quarantined } = await read(visit, true)
      const { connection = '', orderId = '' } = visit.params
      const result = deps.results.put(visit.viewer, comparison(data, quarantined))
      return done(
        data.length === 0
          ? 'Every fact that the vendor shows was published.'
          : `The vendor shows ${counted(data.length, 'fact')} that were not published yet.`,
        `${links.order(connection, orderId)}?result=${result}`,
      )
    }),
    action('/orders/{connection}/{orderId}/resend', 'write', async ({ form: given, call }) => {
      const [id, destination] = [given.get('event') ?? '', given.get('destination') ?? '']
      await call(Queued, 'POST /v1/events/{id}/resend', { params: { id }, body: { destination } })
      return done(`The event is queued for ${destination} again.`)
    }),
  ]
}

/** The same as the timeline, in sentences. */
const story = (told: readonly Told[], now: number): Html =>
  html`<ol class="story">${told.map(({ event, deliveries }) => {
    const what = whatHappened(event)
    const { occurredAt, observedAt, occurredAtSource } = event.data
    const source =
      occurredAtSource === 'vendor'
        ? ''
        : html` <span class="hint">(${occurredAtSource === 'updated' ? "by the order's update time" : 'when we saw it'})</span>`
    return html`<li><a href="${links.event(event.id)}"><strong>${typeWords(event.type)}</strong></a>${what === '' ? '' : html`: ${foreign(what)}`}<div class="hint">happened ${time(occurredAt, now)}${source}, observed ${time(observedAt, now)}</div><ul>${
      deliveries.length === 0
        ? html`<li>No delivery yet, or no destination takes it.</li>`
        : deliveries.map(delivery => html`<li>${sentence(delivery, now)}</li>`)
    }</ul></li>`
  })}</ol>`

function sentence({ destination, status, attempts, nextAttemptAt }: DeliveryRow, now: number): Html {
  const link = html`<a href="${links.destination(destination)}">${destination}</a>`
  const last = attempts.at(-1)
  const failed = attempts.filter(({ outcome }) => outcome !== 'delivered').length
  const after = failed === 0 ? '' : ` after ${counted(failed, 'failed attempt')}`
  if (status === 'delivered')
    return html`${link} acknowledged it at ${last ? preciseTime(last.at) : 'a time not kept'}${after}.`
  const why = last === undefined ? '' : html` The latest attempt: ${foreign(last.error)}.`
  if (status === 'dead') return html`${link} did not get it: given up${after}.${why}`
  if (attempts.length === 0) return html`It waits for ${link}.`
  return html`It waits for ${link}${after}; next attempt ${due(nextAttemptAt === null ? null : new Date(nextAttemptAt).toISOString(), now)}.${why}`
}

function lines({ lines: all }: OrderRow['snapshot']): Html {
  if (all.length === 0) return empty('The vendor names no lines.')
  const columns = [
    { name: 'Article' },
    { name: 'SKU' },
    { name: 'Quantity', number: true },
    { name: 'Price', number: true },
  ]
  return table(
    'Lines of the order',
    columns,
    all.map(({ title, sku, quantity, price }) => [foreign(title), foreign(sku), `${quantity ?? '–'}`, foreign(price)]),
  )
}

function comparison(data: readonly OrderEvent[], quarantined: number): Html {
  const found = data.map(
    event => html`<li><strong>${typeWords(event.type)}</strong> ${foreign(whatHappened(event))}</li>`,
  )
  return html`<section class="panel"><h2>Compared with the vendor</h2>${
    data.length === 0
      ? html`<p>Every fact that the vendor shows was published.</p>`
      : html`<p>Not published yet; the next poll, or “Read again”, publishes it:</p><ul class="story">${found}</ul>`
  }${quarantined === 0 ? '' : html`<p>${counted(quarantined, 'value')} could not be understood.</p>`}</section>`
}

function resendPanel(
  { viewer }: Visit,
  path: string,
  told: readonly Told[],
  destinations: readonly { id: string }[],
): Html | string {
  if (told.length === 0 || destinations.length === 0) return ''
  const events = told.map(({ event }) => [event.id, `#${event.data.sequence} ${typeWords(event.type)}`] as const)
  const body = html`${field({ name: 'event', label: 'Event', options: events })}${field({ name: 'destination', label: 'Destination', options: destinations.map(({ id }) => [id, id] as const) })}`
  return html`<section class="panel narrow"><h2>Deliver one again</h2>${form({ viewer, action: `${path}/resend`, role: 'write', label: 'Resend', body })}</section>`
}
