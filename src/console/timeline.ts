import type { OrderEvent } from '../../schemas/order-event.ts'
import type { DeliveryRow } from '../store/port/deliveries.ts'
import { type Html, html } from './markup.ts'
import { typeWords } from './states.ts'

/** What happened to an order, and how each destination was told: one event and its deliveries. */
export interface Told {
  readonly event: OrderEvent
  readonly deliveries: readonly DeliveryRow[]
}

const [WIDTH, LEFT, RIGHT, ROW, TOP] = [960, 190, 24, 24, 26]

/** Long gaps are drawn shortened, so that hours between facts and milliseconds of deliveries fit on one axis. */
const SHORTEN = 0.3

/** From a time to a place on the axis. Keeps the order of all times. */
function axisOf(times: readonly number[]): (at: number) => number {
  const sorted = [...new Set(times)].toSorted((a, b) => a - b)
  const places: number[] = [0]
  for (let index = 1; index < sorted.length; index++)
    places.push((places[index - 1] ?? 0) + ((sorted[index] ?? 0) - (sorted[index - 1] ?? 0)) ** SHORTEN)
  const whole = places.at(-1) || 1
  const byTime = new Map(sorted.map((at, index) => [at, places[index] ?? 0]))
  return at => LEFT + ((byTime.get(at) ?? whole) / whole) * (WIDTH - LEFT - RIGHT)
}

const timesOf = ({ event, deliveries }: Told): number[] => [
  Date.parse(event.data.occurredAt),
  Date.parse(event.data.observedAt),
  ...deliveries.flatMap(({ attempts, nextAttemptAt }) => [
    ...attempts.map(({ at }) => at),
    ...(nextAttemptAt === null ? [] : [nextAttemptAt]),
  ]),
]

/** One axis: each fact (happened, then observed), and a bar for each destination to its acknowledgement, with a tick for each failed attempt. */
export function timeline(told: readonly Told[], now: number): Html {
  const axis = axisOf([now, ...told.flatMap(timesOf)])
  const rows: Html[] = []
  let y = TOP
  for (const { event, deliveries } of told) {
    rows.push(factRow(event, axis, y))
    y += ROW
    for (const delivery of deliveries) {
      rows.push(deliveryRow(delivery, { from: Date.parse(event.data.observedAt), now, axis, y }))
      y += ROW
    }
    y += 6
  }
  const height = y + 8
  const label = `Timeline of ${told.length} facts; the list below says the same.`
  return html`<div class="scroll wide-scroll" tabindex="0" role="region" aria-label="Timeline"><svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}"><line class="axis" x1="${axis(now).toFixed(1)}" y1="4" x2="${axis(now).toFixed(1)}" y2="${height - 4}"/><text x="${(axis(now) - 4).toFixed(1)}" y="12" text-anchor="end">now</text>${rows}</svg></div>
<ul class="legend" aria-hidden="true"><li class="key-happened">happened</li><li class="key-observed">observed</li><li class="key-good">until acknowledged</li><li class="key-tick">failed attempt</li><li class="key-wait">still waiting</li></ul>
<p class="hint">Long gaps are drawn shortened.</p>`
}

function factRow(event: OrderEvent, axis: (at: number) => number, y: number): Html {
  const [happened, observed] = [axis(Date.parse(event.data.occurredAt)), axis(Date.parse(event.data.observedAt))]
  const middle = y + ROW / 2
  return html`<text class="name" x="0" y="${middle + 4}">#${event.data.sequence} ${typeWords(event.type)}</text><line class="between" x1="${happened.toFixed(1)}" y1="${middle}" x2="${observed.toFixed(1)}" y2="${middle}"/><circle class="happened" cx="${happened.toFixed(1)}" cy="${middle}" r="5"/><circle class="observed" cx="${observed.toFixed(1)}" cy="${middle}" r="5"/>`
}

interface Place {
  readonly from: number
  readonly now: number
  readonly axis: (at: number) => number
  readonly y: number
}

function deliveryRow(
  { destination, status, attempts, nextAttemptAt }: DeliveryRow,
  { from, now, axis, y }: Place,
): Html {
  const last = attempts.at(-1)
  const end = status === 'waiting' ? now : (last?.at ?? now)
  const [x, until] = [axis(from), axis(end)]
  const kind = status === 'delivered' ? 'good' : status === 'waiting' ? 'wait' : 'dead'
  const middle = y + ROW / 2
  const ticks = attempts
    .filter(({ outcome }) => outcome !== 'delivered')
    .map(
      ({ at }) =>
        html`<line class="tick" x1="${axis(at).toFixed(1)}" y1="${middle - 8}" x2="${axis(at).toFixed(1)}" y2="${middle + 8}"/>`,
    )
  const next =
    nextAttemptAt === null || nextAttemptAt <= now
      ? ''
      : html`<line class="next" x1="${until.toFixed(1)}" y1="${middle}" x2="${axis(nextAttemptAt).toFixed(1)}" y2="${middle}"/>`
  const shown = destination.length > 22 ? `${destination.slice(0, 21)}…` : destination
  return html`<text x="14" y="${middle + 4}">${shown}</text><rect class="${kind}" x="${Math.min(x, until).toFixed(1)}" y="${middle - 4}" width="${Math.max(3, Math.abs(until - x)).toFixed(1)}" height="8" rx="4"/>${ticks}${next}`
}
