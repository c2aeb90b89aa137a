import type { Endpoint } from '../../schemas/api.ts'
import { FilterPreview } from '../../schemas/api.ts'
import { Refusal } from '../api/problem.ts'
import { field } from './forms.ts'
import { foreign, foreignBlock, type Html, html, links } from './markup.ts'
import type { Visit } from './page.ts'

/** Tries a filter on the newest events, before it is saved. */
export function filterPanel(endpoint: Endpoint, query: URLSearchParams, result: Html | null): Html {
  const present = query.get('filter') ?? (endpoint.filter === null ? '' : JSON.stringify(endpoint.filter))
  return html`<section class="panel" id="filter"><h2>Try a filter</h2><p class="hint">Says which of the newest 500 events it would let pass. Changes nothing.</p>
<form class="stack" method="get" action="${links.destination(endpoint.id)}#filter">${field({ name: 'filter', label: 'Filter', value: present, rows: 3, scope: 'try-', hint: 'Such as {"data.order.currency": ["USD"]}' })}<button class="quiet">Try it</button></form>${result ?? ''}</section>`
}

export async function filterResult({ query, call }: Visit): Promise<Html> {
  const text = (query.get('filter') ?? '').trim()
  try {
    const body = text === '' ? {} : { filter: JSON.parse(text) as unknown }
    const { matched, of, examples } = await call(FilterPreview, 'POST /v1/filters/preview', { body })
    return html`<p><strong>${matched} of the last ${of} events match.</strong></p><div class="columns"><div><h3>Would get</h3>${examplesOf(examples.matching)}</div><div><h3>Would not get</h3>${examplesOf(examples.other)}</div></div>`
  } catch (error) {
    if (error instanceof SyntaxError)
      return html`<div class="note bad" role="alert">This is no JSON. A filter is an object, such as <code>{"data.order.currency": ["USD"]}</code>.</div>`
    if (error instanceof Refusal) return html`<div class="note bad" role="alert">${foreign(error.message)}</div>`
    throw error
  }
}

const examplesOf = (events: readonly unknown[]): Html =>
  events.length === 0
    ? html`<p class="hint">none</p>`
    : html`${events.map((event, index) => html`<details><summary>Example ${index + 1}</summary>${foreignBlock(JSON.stringify(event, null, 2), `Example ${index + 1}`)}</details>`)}`
