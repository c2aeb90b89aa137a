import { mayCall } from '../api/auth/authenticate.ts'
import type { KeyRole } from '../store/port/keys.ts'
import { type Html, html, raw } from './markup.ts'
import { formToken, type Viewer } from './sessions.ts'

interface FormOptions {
  readonly viewer: Viewer
  readonly action: string
  /** The least role it takes. */
  readonly role: KeyRole
  /** What the button says. */
  readonly label: string
  /** What the button is called, where several say the same: "Redrive order.shipped of shop/1005 to billing". */
  readonly name?: string
  readonly fields?: Readonly<Record<string, string | undefined>>
  /** More fields, before the button. */
  readonly body?: Html
  /** Asked before it is done; names number and destination. */
  readonly confirm?: string
  readonly kind?: 'primary' | 'danger' | 'quiet'
  /** Why it cannot be done now, whoever asks. */
  readonly disabled?: string | undefined
  readonly id?: string
  /** Instead of the role, for a subscriber: whether its link allows it. */
  readonly allowed?: boolean | undefined
}

/** A button that does something. What the viewer's role may not do is shown disabled, with the reason. */
export function form(options: FormOptions): Html {
  const {
    viewer,
    action,
    role,
    label,
    name,
    fields = {},
    body = '',
    confirm,
    kind = 'quiet',
    disabled,
    id,
    allowed,
  } = options
  const missing =
    allowed === undefined
      ? mayCall(viewer.role, role)
        ? null
        : `This needs the role "${role}"; yours is "${viewer.role ?? 'subscriber'}".`
      : allowed
        ? null
        : 'Your link does not allow this.'
  const why = missing ?? disabled ?? null
  const hidden = Object.entries({ ...fields, token: formToken(viewer) }).map(([field, value]) =>
    value === undefined ? '' : html`<input type="hidden" name="${field}" value="${value}">`,
  )
  const attributes = [id && ` id="${id}"`].filter(Boolean).join('')
  return html`<form class="act" method="post" action="${action}"${raw(attributes)}${confirm === undefined ? '' : html` data-confirm="${confirm}"`}>${hidden}${body}<button class="${kind}"${name === undefined ? '' : html` aria-label="${name}"`}${why === null ? '' : html` disabled title="${why}"`}>${label}</button>${missing === null || body === '' ? '' : html`<span class="why">${missing}</span>`}</form>`
}

export interface Field {
  readonly name: string
  readonly label: string
  readonly value?: string | null
  readonly hint?: string
  readonly type?: 'text' | 'search' | 'datetime-local' | 'password' | 'url'
  readonly required?: boolean
  readonly options?: readonly (readonly [value: string, text: string])[]
  readonly rows?: number
  /** Tells fields of one name on one page apart. */
  readonly scope?: string
}

/** A labelled field: a line, several lines (`rows`) or a choice (`options`). */
export function field({ name, label, value, hint, type = 'text', required, options, rows, scope = '' }: Field): Html {
  const id = `f-${scope}${name}`
  const control = options
    ? html`<select id="${id}" name="${name}">${options.map(([option, text]) => html`<option value="${option}"${raw(option === (value ?? '') ? ' selected' : '')}>${text}</option>`)}</select>`
    : rows
      ? html`<textarea id="${id}" name="${name}" rows="${rows}" spellcheck="false"${raw(required ? ' required' : '')}>${value ?? ''}</textarea>`
      : html`<input id="${id}" name="${name}" type="${type}" value="${value ?? ''}"${raw(required ? ' required' : '')} autocomplete="off">`
  return html`<div class="field"><label for="${id}">${label}</label>${control}${hint === undefined ? '' : html`<span class="hint">${hint}</span>`}</div>`
}

/** A form that only asks: filters of a list. */
export const filters = (action: string, fields: readonly Html[], label = 'Filter'): Html =>
  html`<form class="filters" method="get" action="${action}">${fields}<button class="quiet">${label}</button></form>`
