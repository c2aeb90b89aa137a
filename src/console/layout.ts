import { assetPath } from './assets.ts'
import { foreign, type Html, html, raw } from './markup.ts'
import type { Message } from './messages.ts'
import { formToken, type Viewer } from './sessions.ts'

/** The frame around every page. */

export interface Section {
  readonly path: string
  readonly name: string
  /** The letter behind `g` that goes there. */
  readonly key: string
}

interface Frame {
  readonly title: string
  readonly body: Html
  readonly section?: string | undefined
  readonly sections: readonly Section[]
  readonly viewer: Viewer
  readonly message: { readonly message: Message; readonly progress: string | null } | null
  /** null: not known, or not for this viewer. */
  readonly attention: number | null
  readonly version: string
}

const HTMX = JSON.stringify({
  includeIndicatorCSS: false,
  history: false,
  // What a reader has opened stays open.
  morphIgnore: ['data-htmx-powered', 'open'],
})

function document(title: string, body: Html, scripts = true): Html {
  const script = (name: 'htmx.js' | 'uplot.js' | 'console.js') => html`<script src="${assetPath(name)}" defer></script>`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX}">
<title>${title} · orderwire</title>
<link rel="icon" href="${raw(ICON)}">
<link rel="stylesheet" href="${assetPath('uplot.css')}">
<link rel="stylesheet" href="${assetPath('console.css')}">
${scripts ? [script('htmx.js'), script('uplot.js'), script('console.js')] : ''}
</head>
${body}
</html>`
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect width='24' height='24' rx='6' fill='%233b5bdb'/%3E%3Cpath d='M5 12h5l2-4 2 8 2-4h3' fill='none' stroke='white' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E"

const MARK = html`<svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><rect width="24" height="24" rx="6"/><path d="M5 12h5l2-4 2 8 2-4h3"/></svg>`

export function layout(frame: Frame): Html {
  const { title, body, section, sections, viewer, message, attention, version } = frame
  const subscriber = viewer.role === null
  return document(
    title,
    html`<body>
<a class="skip" href="#main">Skip to the content</a>
<p id="band" role="status" hidden></p>
<header class="top">
<a class="brand" href="${subscriber ? '/portal' : '/'}">${MARK}<span>orderwire</span></a>
${
  subscriber
    ? ''
    : html`<form class="search" role="search" action="/search"><label class="unseen" for="search">Search for an order, an event, a dead letter or a destination</label><input id="search" name="q" type="search" placeholder="Search orders, events, destinations" autocomplete="off" required><kbd aria-hidden="true">/</kbd></form>
${pill(attention)}`
}
</header>
<nav class="side" aria-label="Pages"><ul>${sections.map(
      ({ path, name, key }) =>
        html`<li><a href="${path}"${section === path ? raw(' aria-current="page"') : ''} data-key="${key}">${name}</a></li>`,
    )}</ul>
<div class="foot">
<div class="times" data-script hidden><label for="times">Times</label><select id="times"><option value="relative">relative</option><option value="local">local</option><option value="utc">UTC</option></select></div>
<div class="who"><span>${whoText(viewer)}</span>${viewer.signedIn ? html`<form method="post" action="/sign-out"><input type="hidden" name="token" value="${formToken(viewer)}"><button class="link">Sign out</button></form>` : ''}</div>
<div class="version">orderwire ${version}</div>
</div></nav>
<main id="main" tabindex="-1">
${message === null ? '' : messageBox(message.message, message.progress, viewer)}
${body}
</main>
<dialog id="keys" aria-label="Keyboard"><h2>Keyboard</h2><dl class="facts"><div><dt><kbd>/</kbd></dt><dd>search</dd></div>${sections.map(({ name, key }) => html`<div><dt><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${name}</dd></div>`)}<div><dt><kbd>?</kbd></dt><dd>these keys</dd></div></dl><form method="dialog"><button>Close</button></form></dialog>
</body>`,
  )
}

const whoText = ({ role, signedIn, endpoint }: Viewer): string =>
  endpoint !== null ? `Endpoint ${endpoint}` : signedIn ? `Signed in, role ${role}` : `No key needed here`

function pill(attention: number | null): Html {
  if (attention === null) return html`<a id="pill" class="pill off" href="/">State not known</a>`
  if (attention === 0)
    return html`<a id="pill" class="pill good" href="/"><span aria-hidden="true">●</span>All is well</a>`
  return html`<a id="pill" class="pill bad" href="/"><span aria-hidden="true">■</span>${attention} ${attention === 1 ? 'needs' : 'need'} attention</a>`
}

function messageBox({ tone, text }: Message, progress: string | null, viewer: Viewer): Html {
  return html`<div id="message" class="message ${tone}" role="${tone === 'bad' ? 'alert' : 'status'}"><div>${foreignLines(text)}${progress === null ? '' : html`<div id="progress">${progress}</div>`}</div><form method="post" action="/dismiss"><input type="hidden" name="token" value="${formToken(viewer)}"><button class="link" aria-label="Dismiss this message">Dismiss</button></form></div>`
}

/** Our sentences may quote a vendor. */
const foreignLines = (text: string): Html => html`${text.split('\n').map(line => html`<div>${foreign(line)}</div>`)}`

/** Asks for a key. `wrong`: the one given is none. */
export function signInPage(to: string, wrong: boolean): Html {
  return document(
    'Sign in',
    html`<body class="alone">
<main id="main">
<form class="sign-in" method="post" action="/sign-in">
<div class="brand">${MARK}<span>orderwire</span></div>
<h1>Sign in</h1>
<input type="hidden" name="to" value="${to}">
<div class="field"><label for="key">API key</label><input id="key" name="key" type="password" autocomplete="current-password" required autofocus${wrong ? raw(' aria-invalid="true" aria-describedby="wrong"') : ''}>
${wrong ? html`<p id="wrong" role="alert">This is no key of this service. Check that it was copied whole; an administrator can make a new one.</p>` : ''}</div>
<button class="primary">Sign in</button>
<p class="hint">The key that <code>ORDERWIRE_API_KEY</code> holds, or one made with <code>orderwire keys add</code>. It stays in this browser for 12 hours after the last use.</p>
</form>
</main>
</body>`,
    false,
  )
}

/** What a subscriber's link shows. */
export const openLinkPage = (link: string): Html =>
  document(
    'Open',
    html`<body class="alone"><main id="main"><form class="sign-in" method="post" action="/portal/open"><div class="brand">${MARK}<span>orderwire</span></div><h1>Your deliveries</h1><input type="hidden" name="link" value="${link}"><p>This link is good once, in this browser.</p><button class="primary">Open</button></form></main></body>`,
    false,
  )

export const deadLinkPage = (): Html =>
  document(
    'Link',
    html`<body class="alone"><main id="main"><div class="sign-in"><div class="brand">${MARK}<span>orderwire</span></div><h1>This link is not good any more</h1><p>It was opened already, it has ended, or its endpoint was removed. Ask whoever sent it for a new one.</p></div></main></body>`,
    false,
  )

/** A browser sends no Strict cookie with a link from elsewhere; once this page has loaded the same address again, it does. */
export const reloadPage = (to: string): Html =>
  html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${to}"><title>orderwire</title></head><body><p><a href="${to}">Go on to orderwire</a></p></body></html>`

/** A part of a page that is read again every 5 s, with when it was and a way to pause it. */
export const live = (path: string, body: Html): Html =>
  html`<div id="live" hx-get="${path}" hx-trigger="every 5s" hx-select="#live" hx-swap="outerMorph" hx-select-oob="#pill,#progress">${body}</div><p class="live" data-script hidden><span id="updated">updated now</span> <button type="button" class="link" id="pause" aria-pressed="false">Pause</button></p>`

/** What a page that cannot be shown says. */
export const problemBody = (status: number, text: string): Html =>
  html`<h1>${status === 404 ? 'Not found' : status === 403 ? 'Not allowed' : 'This did not work'}</h1><div class="problem">${foreign(text)}</div><p><a href="/">Back to the overview</a></p>`

export const heading = (title: Html | string, more: Html | string = ''): Html =>
  html`<div class="heading"><h1>${title}</h1><div class="more-actions">${more}</div></div>`
