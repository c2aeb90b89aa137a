import { type Html, html } from './markup.ts'

/** More new rows than this are "100 or more". */
export const MOST_NEW = 100

/** How many rows are newer than those shown, and where they are: a list that is read is not pushed by them. */
export const news = (count: number, noun: string, to: string): Html =>
  count === 0
    ? html`<p class="hint">No newer ${noun}.</p>`
    : html`<p role="status"><a class="button primary" href="${to}">${count >= MOST_NEW ? `${MOST_NEW} or more` : count} new, show</a></p>`
