import { counted, type Html, html, raw } from './markup.ts'

/** A series of numbers over time. Scripts draw it from its table, which is there for everybody else. */
export interface Chart {
  readonly title: string
  readonly names: readonly string[]
  /** Of each point its time and one number a series; null: there is none. */
  readonly points: readonly { readonly at: number; readonly values: readonly (number | null)[] }[]
  readonly unit: string
  /** Bars on each other, for counts; else lines. */
  readonly stacked?: boolean
  /** Numbers of the colours of the series, where they mean something; default: one after the other. */
  readonly colours?: readonly number[]
  /** What it says in one sentence. */
  readonly summary: string
}

/** More rows say no more to a reader; the chart itself has all points. */
const MOST_ROWS = 1_500

export function chart({
  title,
  names,
  points,
  unit,
  stacked = false,
  summary,
  colours = [1, 2, 3, 4, 5, 6],
}: Chart): Html {
  const heads = names.map(name => html`<th scope="col">${name}</th>`)
  const rows = points
    .slice(-MOST_ROWS)
    .map(
      ({ at, values }) =>
        html`<tr><th scope="row"><time class="precise" datetime="${new Date(at).toISOString()}">${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}</time></th>${values.map(value => html`<td class="number">${value ?? ''}</td>`)}</tr>`,
    )
  return html`<figure class="chart" data-chart="${stacked ? 'stacked' : 'lines'}" data-unit="${unit}" data-colours="${colours.join()}">
<figcaption><strong>${title}</strong><span>${summary}</span></figcaption>
<ul class="legend" aria-hidden="true">${names.map((name, index) => html`<li class="${raw(`series-${colours[index % colours.length]}`)}">${name}</li>`)}</ul>
<div class="plot" aria-hidden="true" hx-morph-skip></div>
<details class="numbers"><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}, as numbers"><table><caption class="unseen">${title}, ${unit}; ${counted(points.length, 'row')}</caption><thead><tr><th scope="col">time</th>${heads}</tr></thead><tbody>${rows}</tbody></table></div></details>
</figure>`
}

/** By nearest rank; null: no numbers. */
export function percentile(numbers: readonly number[], share: number): number | null {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}
