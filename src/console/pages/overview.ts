import type { Connection, Destination } from '../../../schemas/api.ts'
import { EventType } from '../../../schemas/order-event.ts'
import { durationWords } from '../../lib/duration.ts'
import { attentionList } from '../attention-view.ts'
import { chart, percentile } from '../charts.ts'
import { createEventRates } from '../event-rates.ts'
import { heading, live } from '../layout.ts'
import { counted, due, empty, foreign, type Html, html, links, table, time } from '../markup.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'
import { connectionState, destinationCondition, destinationState, milliseconds, percent, typeWords } from '../states.ts'

/** Latencies are of this many newest acknowledgements. */
const SAMPLE = 1_000
const WORST = 10

const SPANS = {
  '1h': { words: 'the last hour', ms: 3_600_000, bucketMs: 60_000, unit: 'events a minute' },
  '24h': { words: 'the last 24 hours', ms: 86_400_000, bucketMs: 900_000, unit: 'events in 15 minutes' },
} as const

/** `/`: what needs attention, and how it goes. */
export function overviewPages(deps: PageDeps): PageRoute[] {
  const rates = createEventRates(deps)

  async function eventsChart(span: keyof typeof SPANS, now: number): Promise<Html> {
    const { words, ms, bucketMs, unit } = SPANS[span]
    const until = Math.floor(now / bucketMs) * bucketMs + bucketMs
    const since = until - ms
    const found = await rates(since, until, bucketMs)
    const types = EventType.options.filter(type => found.some(one => one.type === type))
    const byTime = Map.groupBy(found, ({ at }) => at)
    const points = Array.from({ length: ms / bucketMs }, (_, index) => {
      const at = since + index * bucketMs
      const there = new Map(byTime.get(at)?.map(({ type, count }) => [type, count]))
      return { at, values: types.map(type => there.get(type) ?? 0) }
    })
    const sum = found.reduce((all, { count }) => all + count, 0)
    const other = span === '1h' ? '24h' : '1h'
    return html`${chart({
      title: 'Events',
      names: types.length > 0 ? types.map(typeWords) : ['events'],
      points: types.length > 0 ? points : points.map(({ at }) => ({ at, values: [0] })),
      unit,
      stacked: true,
      summary: `${counted(sum, 'event')} in ${words}`,
    })}<p class="switch">Show <a href="/?span=${other}">${SPANS[other].words}</a></p>`
  }

  async function latencies(): Promise<Html> {
    const found = await deps.store.deliveries.acknowledged(SAMPLE)
    const fromChange = found.map(({ at, observedAt, occurredAt }) => at - (occurredAt ?? observedAt))
    const fromSeen = found.map(({ at, observedAt }) => at - observedAt)
    const row = (name: string, numbers: readonly number[]) => [
      name,
      ...[0.5, 0.95, 0.99].map(share => lengthWords(percentile(numbers, share))),
    ]
    const columns = ['', 'p50', 'p95', 'p99'].map((name, index) => ({ name: name || 'from', number: index > 0 }))
    return html`<section class="panel"><h2>How long it takes</h2><p class="hint">From the change at the vendor to the acknowledgement, of the ${found.length} newest deliveries.</p>${
      found.length === 0
        ? empty('Nothing was delivered yet.')
        : table('Latency of deliveries', columns, [
            row('change at the vendor', fromChange),
            row('seen by us', fromSeen),
          ])
    }</section>`
  }

  return [
    page('/', async visit => {
      const { query, now } = visit
      const span = query.get('span') === '24h' ? '24h' : '1h'
      const [found, connections, destinations, events, latency] = await Promise.all([
        deps.attention(),
        deps.connections(),
        deps.destinations(),
        eventsChart(span, now),
        latencies(),
      ])
      const body = html`${heading('Overview')}
<section aria-labelledby="attention"><h2 id="attention">Needs attention</h2>${
        found.length === 0
          ? html`<div class="calm"><span aria-hidden="true">●</span><div><strong>All is well.</strong> ${counted(connections.length, 'connection')} and ${counted(destinations.length, 'destination')} work as they should.</div></div>`
          : await attentionList(deps, found, visit)
      }</section>
<div class="columns"><section class="panel wide">${events}</section>${latency}</div>
<section class="panel"><h2>Connections</h2>${connectionTable(connections, now)}</section>
<section class="panel"><h2>Destinations</h2>${destinationTable(destinations, now)}</section>`
      return { title: 'Overview', section: '/', body: live(`/?span=${span}`, body) }
    }),
  ]
}

const lengthWords = (ms: number | null): string =>
  ms === null ? '–' : ms < 10_000 ? milliseconds(Math.max(0, ms)) : durationWords(ms)

function connectionTable(connections: readonly Connection[], now: number): Html {
  if (connections.length === 0)
    return empty('No connection is configured.', 'Add one to orderwire.config.ts and start again.')
  const columns = [
    { name: 'Connection' },
    { name: 'State' },
    { name: 'Behind', number: true },
    { name: 'Next poll' },
    { name: 'Orders', number: true },
    { name: 'Last error' },
  ]
  const rows = connections.map(one => [
    html`<a href="${links.connection(one.id)}">${one.id}</a> <span class="hint">${one.vendor}</span>`,
    connectionState(one),
    one.lagSeconds === null ? '–' : durationWords(one.lagSeconds * 1000),
    due(one.nextPollAt, now),
    one.ordersTracked.toLocaleString('en'),
    foreign(one.lastError),
  ])
  return table('Connections', columns, rows)
}

/** What fails or waits comes first. */
const badness = (one: Destination): number =>
  (destinationCondition(one) === 'active' ? 0 : 1e9) + one.deadLetters * 1000 + (one.oldestWaitingSeconds ?? 0)

function destinationTable(destinations: readonly Destination[], now: number): Html {
  if (destinations.length === 0)
    return empty(
      'No destination yet.',
      html`Put a handler into <code>handlers/</code>, or <a href="/destinations">add an endpoint</a>.`,
    )
  const worst = destinations.toSorted((a, b) => badness(b) - badness(a)).slice(0, WORST)
  const columns = [
    { name: 'Destination' },
    { name: 'State' },
    { name: 'Waiting', number: true },
    { name: 'Oldest', number: true },
    { name: 'Success', number: true },
    { name: 'Dead letters', number: true },
    { name: 'Last error' },
  ]
  const rows = worst.map(one => [
    html`<a href="${links.destination(one.id)}">${one.id}</a> <span class="hint">${one.kind}</span>`,
    html`${destinationState(one)}${one.failingSince === null ? '' : html` <span class="hint">since ${time(one.failingSince, now)}</span>`}`,
    one.backlog.toLocaleString('en'),
    one.oldestWaitingSeconds === null ? '–' : durationWords(one.oldestWaitingSeconds * 1000),
    percent(one.successRate),
    one.deadLetters.toLocaleString('en'),
    foreign(one.lastError),
  ])
  const rest = destinations.length - worst.length
  return html`${table('The destinations that need most attention', columns, rows)}${
    rest > 0 ? html`<p class="hint"><a href="/destinations">${counted(rest, 'more destination')}</a></p>` : ''
  }`
}
