import type { DeliveryRow, DeliveryStatus } from '../store/port/deliveries.ts'
import { field } from './forms.ts'
import { empty, foreign, foreignBlock, type Html, html, links, preciseTime, queryOf, table, time } from './markup.ts'
import type { PageDeps, Visit } from './page.ts'
import { attemptState, deliveryState, milliseconds } from './states.ts'

const PAGE = 20

/** Parameters of the list, so that a page may have other forms beside it. */
const OUTCOMES: Readonly<Record<string, readonly DeliveryStatus[]>> = {
  delivered: ['delivered'],
  waiting: ['waiting'],
  dead: ['dead'],
  failed: ['waiting', 'dead'],
}

/** Deliveries of a destination, newest first, with filters and all attempts. */
export async function deliveryPanel(
  { store, known }: Pick<PageDeps, 'store' | 'known'>,
  { query, now, c }: Pick<Visit, 'query' | 'now' | 'c'>,
  { destination, subscriber = false }: { destination: string; subscriber?: boolean },
): Promise<Html> {
  const asked = {
    outcome: query.get('outcome') ?? '',
    of: (query.get('of') ?? '').trim(),
    after: query.get('after') ?? '',
  }
  const statuses = OUTCOMES[asked.outcome]
  const orderId = asked.of === '' ? undefined : await known.order(asked.of)
  const filter = {
    destination,
    ...(statuses && { statuses }),
    ...(asked.outcome === 'failed' && { tried: true }),
    ...(orderId !== undefined && { orderId }),
  }
  const { data, next } = await store.deliveries.list(filter, {
    limit: PAGE,
    ...(asked.after !== '' && { after: asked.after }),
  })
  const path = new URL(c.req.url).pathname
  return html`<section class="panel" id="deliveries"><h2>Deliveries</h2>
<form class="filters" method="get" action="${path}#deliveries">${field({
    name: 'outcome',
    label: 'Outcome',
    value: asked.outcome,
    options: [
      ['', 'any'],
      ['failed', 'failed'],
      ['waiting', 'waiting'],
      ['dead', 'given up'],
      ['delivered', 'delivered'],
    ],
  })}${field({ name: 'of', label: 'Order', value: asked.of, type: 'search' })}<button class="quiet">Filter</button></form>
${data.length === 0 ? empty('No delivery is like this.', asked.outcome || asked.of ? html`<a href="${path}#deliveries">Show all</a>` : '') : deliveryList(data, now, { subscriber })}
${next === null ? '' : html`<nav class="pager" aria-label="Pages of the deliveries"><a class="button" href="${path}${queryOf({ ...asked, after: next })}#deliveries">Older</a></nav>`}</section>`
}

const orderOf = (orderKey: string): readonly [string, string] => {
  const slash = orderKey.indexOf('/')
  return [orderKey.slice(0, slash), orderKey.slice(slash + 1)]
}

export function deliveryList(
  rows: readonly DeliveryRow[],
  now: number,
  options: { withDestination?: boolean; subscriber?: boolean } = {},
): Html {
  const { withDestination = false, subscriber = false } = options
  const columns = [
    ...(withDestination ? [{ name: 'Destination' }] : [{ name: 'Order' }]),
    { name: 'State' },
    { name: 'Event' },
    { name: 'Attempts' },
    { name: 'Next attempt' },
  ]
  const cells = rows.map(row => {
    const order = orderOf(row.orderKey)
    return [
      withDestination
        ? html`<a href="${links.destination(row.destination)}">${row.destination}</a>`
        : subscriber
          ? foreign(row.orderKey, { short: true })
          : html`<a href="${links.order(...order)}">${foreign(row.orderKey, { short: true })}</a>`,
      deliveryState(row.status),
      html`<a href="${subscriber ? `/portal${links.event(row.eventId)}` : links.event(row.eventId)}"><code>${row.eventId.slice(0, 12)}…</code></a>`,
      attemptDetails(row),
      row.nextAttemptAt !== null && row.nextAttemptAt <= now ? html`now` : time(row.nextAttemptAt, now),
    ]
  })
  return table('Deliveries', columns, cells)
}

function attemptDetails({ attempts, attempt, eventId }: DeliveryRow): Html {
  if (attempts.length === 0) return html`${attempt === 0 ? 'none yet' : attempt}`
  const latest = attempts.at(-1)
  return html`<details id="attempts-${eventId}"><summary>${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'}, latest ${latest ? answerWords(latest) : '–'}</summary>${attemptList(attempts)}</details>`
}

const attemptList = (attempts: DeliveryRow['attempts']): Html =>
  html`<ol class="attempts">${attempts.map(
    ({ at, outcome, statusCode, ms, error, response, origin }) =>
      html`<li><div>${preciseTime(at)} ${attemptState(outcome)} ${answerWords({ outcome, statusCode })} in ${milliseconds(ms)}${origin === null || origin === 'live' ? '' : html` <span class="tag">${origin}</span>`}</div>${error === null ? '' : html`<div class="reason">${foreign(error)}</div>`}${response === null || response === '' ? '' : html`<details><summary>Answer</summary>${foreignBlock(response, 'The beginning of the answer')}</details>`}</li>`,
  )}</ol>`

/** A handler answers without a code. */
const answerWords = ({
  outcome,
  statusCode,
}: Pick<DeliveryRow['attempts'][number], 'outcome' | 'statusCode'>): string =>
  `${statusCode ?? (outcome === 'delivered' ? 'acknowledged' : 'no answer')}`
