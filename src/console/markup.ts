import { html, raw } from 'hono/html'
import { cutText } from '../lib/clean-text.ts'
import { timestamp } from '../lib/clock.ts'
import { visibleLine, visibleLines } from '../lib/control-characters.ts'
import { durationWords } from '../lib/duration.ts'

/** The pieces pages are made of. `html` escapes whatever is put in. */

export type Html = ReturnType<typeof html>
export { html, raw }

const LONGEST = 200

interface ForeignOptions {
  /** Without the rest behind a disclosure: inside a link or a button. */
  readonly short?: boolean
}

/**
 * The one way a text of a vendor, a receiver or a person goes into a page: escaped, isolated in direction, control characters visible, cut at 200
 * characters with the rest behind a disclosure. null is a dash.
 */
export function foreign(text: string | null | undefined, { short = false }: ForeignOptions = {}): Html {
  if (text === null || text === undefined || text === '') return html`<span class="none">–</span>`
  const cut = cutText(text, LONGEST)
  if (cut.length === text.length) return html`<bdi>${visibleLine(text)}</bdi>`
  if (short) return html`<bdi>${visibleLine(cut)}…</bdi>`
  return html`<bdi>${visibleLine(cut)}…</bdi><details class="more"><summary>all ${text.length} characters</summary><bdi>${visibleLine(text)}</bdi></details>`
}

/** The same for attributes and titles, which hold plain text. */
export function foreignText(text: string): string {
  const cut = cutText(text, LONGEST)
  return visibleLine(cut) + (cut.length < text.length ? '…' : '')
}

/** A foreign text of several lines, as it is. */
export const foreignBlock = (text: string, label: string): Html =>
  html`<pre tabindex="0" role="region" aria-label="${label}"><bdi>${visibleLines(text)}</bdi></pre>`

/** A time, relative, with the exact one on hover; scripts show it as the reader wants. null is a dash. */
export function time(at: number | string | null | undefined, now: number): Html {
  if (at === null || at === undefined) return html`<span class="none">–</span>`
  const ms = typeof at === 'string' ? Date.parse(at) : at
  const exact = timestamp(ms)
  return html`<time datetime="${exact}" title="${exact.replace('T', ' ').replace('Z', ' UTC')}">${relative(ms, now)}</time>`
}

/** When something is due; what is past is due now. */
export const due = (at: string | null, now: number): Html =>
  at !== null && Date.parse(at) <= now ? html`now` : html`<span class="due">${time(at, now)}</span>`

/** A time to the millisecond. */
export function preciseTime(at: number | string): Html {
  const exact = timestamp(typeof at === 'string' ? Date.parse(at) : at)
  return html`<time class="precise" datetime="${exact}" title="${exact}">${exact.slice(0, 23).replace('T', ' ')}</time>`
}

function relative(ms: number, now: number): string {
  const words = durationWords(Math.abs(now - ms))
  return ms > now ? `in ${words}` : `${words} ago`
}

export type Tone = 'good' | 'warn' | 'bad' | 'off' | 'plain'

const SHAPES: Readonly<Record<Tone, string>> = { good: '●', warn: '▲', bad: '■', off: '◆', plain: '○' }

/** A state as word, shape and colour. */
export const state = (word: string, tone: Tone): Html =>
  html`<span class="state ${tone}"><span aria-hidden="true">${SHAPES[tone]}</span>${word}</span>`

export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? noun : plural}`

/** What is shown where a list is empty: what that means, and what to do. */
export const empty = (title: string, hint: Html | string = ''): Html =>
  html`<div class="empty"><strong>${title}</strong><div>${hint}</div></div>`

interface Column {
  readonly name: string
  /** Right-aligned. */
  readonly number?: boolean
  /** Its heading, where that is more than the name (a link that sorts). */
  readonly heading?: Html
  readonly sorted?: 'ascending' | 'descending'
}

/** A table with a caption for screen readers; on a phone each row is a card, whose cells name their column. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly (Html | string)[])[],
): Html {
  const heads = columns.map(
    ({ name, number, heading, sorted }) =>
      html`<th scope="col"${number ? raw(' class="number"') : ''}${sorted ? raw(` aria-sort="${sorted}"`) : ''}>${heading ?? (name === '' ? html`<span class="unseen">Actions</span>` : name)}</th>`,
  )
  const body = rows.map(
    cells =>
      html`<tr>${cells.map((cell, index) => {
        const { name = '', number } = columns[index] ?? {}
        return html`<td data-label="${name}"${number ? raw(' class="number"') : ''}>${cell}</td>`
      })}</tr>`,
  )
  return html`<table class="cards"><caption class="unseen">${caption}</caption><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table>`
}

/** Names and values below each other. */
export const facts = (entries: readonly (readonly [string, Html | string])[]): Html =>
  html`<dl class="facts">${entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`

/** `?a=1&b=2` of the members that are set. */
export function queryOf(members: Readonly<Record<string, string | number | null | undefined>>): string {
  const set = Object.entries(members).flatMap(([name, value]): [string, string][] =>
    value === null || value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`
}

export const segment = encodeURIComponent

/** Links to what pages speak of. */
export const links = {
  order: (connection: string, orderId: string) => `/orders/${segment(connection)}/${segment(orderId)}`,
  event: (id: string) => `/events/${segment(id)}`,
  destination: (id: string) => `/destinations/${segment(id)}`,
  connection: (id: string) => `/connections/${segment(id)}`,
} as const
