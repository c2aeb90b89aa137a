import { EventType } from '../../schemas/order-event.ts'
import type { DeliveryRow, DeliveryStatus } from '../store/port/deliveries.ts'
import { field } from './forms.ts'
import { instantOf } from './instant.ts'
import { empty, foreign, foreignBlock, type Html, html, links, preciseTime, queryOf, table, time } from './markup.ts'
import type { PageDeps, Visit } from './page.ts'
import { attemptState, deliveryState, milliseconds, typeWords } from './states.ts'

const PAGE = 20

/** Parameters of the list, so that a page may have other forms beside it. */
const OUTCOMES: Readonly<Record<string, readonly DeliveryStatus[]>> = {
  delivered: ['delivered'],
  waiting: ['waiting'],
  dead: ['dead'],
  failed: ['waiting', 'dead'],
}

const ANSWERS = ['2xx', '3xx', '4xx', '5xx', 'none'] as const
const isAnswer = (text: string): text is (typeof ANSWERS)[number] => ANSWERS.some(answer => answer === text)

/** Deliveries of a destination, newest first, with filters and all attempts. */
export async function deliveryPanel(
  { store, known }: Pick<PageDeps, 'store' | 'known'>,
  { query, now, c }: Pick<Visit, 'query' | 'now' | 'c'>,
  { destination, subscriber = false }: { destination: string; subscriber?: boolean },
): Promise<Html> {
  const text = (name: string) => (query.get(name) ?? '').trim()
  const asked = {
    outcome: text('outcome'),
    of: text('of'),
    type: text('type'),
    answer: text('answer'),
    from: text('from'),
    to: text('to'),
  }
  const after = text('after')
  const statuses = OUTCOMES[asked.outcome]
  const type = EventType.safeParse(asked.type)
  const [since, until] = [asked.from, asked.to].map(one => Date.parse(instantOf(one) ?? ''))
  const orderId = asked.of === '' ? undefined : await known.order(asked.of)
  const filter = {
    destination,
    ...(statuses && { statuses }),
    ...(asked.outcome === 'failed' && { tried: true }),
    ...(orderId !== undefined && { orderId }),
    ...(type.success && { types: [type.data] }),
    ...(isAnswer(asked.answer) && { answer: asked.answer }),
    ...(Number.isFinite(since) && { since }),
    ...(Number.isFinite(until) && { until }),
  }
  const { data, next } = await store.deliveries.list(filter, { limit: PAGE, ...(after !== '' && { after }) })
  const path = new URL(c.req.url).pathname
  const further = data.length === 0 ? 'Look further back' : 'Older'
  return html`<section class="panel" id="deliveries"><h2>Deliveries</h2>
<form class="filters" method="get" action="${path}#deliveries">${deliveryFilters(asked)}<button class="quiet">Filter</button></form>
${data.length === 0 ? nothing(next !== null, Object.values(asked).some(Boolean) || after !== '', path) : deliveryList(data, now, { subscriber })}
${next === null ? '' : html`<nav class="pager" aria-label="Pages of the deliveries"><a class="button" href="${path}${queryOf({ ...asked, after: next })}#deliveries">${further}</a></nav>`}</section>`
}

/** `unfinished`: the walk was long and went not to the end. */
const nothing = (unfinished: boolean, filtered: boolean, path: string): Html =>
  unfinished
    ? empty('None of the latest deliveries is like this.', 'There are older ones, which were not looked at yet.')
    : empty('No delivery is like this.', filtered ? html`<a href="${path}#deliveries">Show all</a>` : '')

const deliveryFilters = (asked: Readonly<Record<'outcome' | 'of' | 'type' | 'answer' | 'from' | 'to', string>>): Html =>
  html`${field({
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
  })}${field({
    name: 'answer',
    label: 'Answer',
    value: asked.answer,
    options: [['', 'any'], ...ANSWERS.map(one => [one, one === 'none' ? 'no answer' : one] as const)],
  })}${field({
    name: 'type',
    scope: 'deliveries-',
    label: 'Event',
    value: asked.type,
    options: [['', 'any'], ...EventType.options.map(one => [one, typeWords(one)] as const)],
  })}${field({ name: 'of', label: 'Order', value: asked.of, type: 'search' })}${field({ name: 'from', label: 'From', value: asked.from })}${field({ name: 'to', label: 'To', value: asked.to })}`

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
