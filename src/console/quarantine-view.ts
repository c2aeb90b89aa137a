import type { QuarantineRow } from '../store/port/quarantine.ts'
import { form } from './forms.ts'
import { foreign, foreignText, type Html, html, links, table, time } from './markup.ts'
import type { Viewer } from './sessions.ts'

interface Options {
  /** What was published of the entry's order, in words, by the entry's id. */
  readonly published?: ReadonlyMap<string, string>
}

/** Entries of the quarantine: what was not understood, and the button that reads it again. */
export function quarantineList(
  entries: readonly QuarantineRow[],
  viewer: Viewer,
  now: number,
  { published }: Options = {},
): Html {
  const columns = [
    { name: 'Order' },
    { name: 'Where' },
    { name: 'Found' },
    { name: 'Why' },
    ...(published ? [{ name: 'Went out' }] : []),
    { name: 'Since' },
    { name: '' },
  ]
  const rows = entries.map(({ id, connection, orderId, path, value, reason, span, at }) => {
    const what =
      orderId === null ? (span === null ? 'a row without an id' : 'a span of time') : `order ${foreignText(orderId)}`
    return [
      orderId === null
        ? what
        : html`<a href="${links.order(connection, orderId)}">${foreign(orderId, { short: true })}</a>`,
      html`<code>${foreign(path)}</code>`,
      html`<code>${foreign(value)}</code>`,
      foreign(reason),
      ...(published ? [published.get(id) ?? '–'] : []),
      time(at, now),
      form({
        viewer,
        action: `/quarantine/${encodeURIComponent(id)}/retry`,
        role: 'write',
        label: 'Read again',
        name: `Read again: ${what}, ${foreignText(path)}`,
      }),
    ]
  })
  return table('Values and rows that were not understood', columns, rows)
}
