import { type Html, html, time } from './markup.ts'

/** A secret, which is shown this once. */
export const secretShown = (secret: string, formerUntil: string | null): Html =>
  html`<section class="panel secret"><h2>The secret, shown this once</h2><p>Give it to the receiver: it checks the signature of each delivery with it.</p><div class="copy"><code id="secret">${secret}</code><button type="button" class="quiet" data-script data-copy="secret" hidden>Copy</button></div>${
    formerUntil === null
      ? ''
      : html`<p class="hint">Until ${time(formerUntil, Date.parse(formerUntil))} the former secret signs as well.</p>`
  }</section>`
