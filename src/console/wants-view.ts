import { EventType } from '../../schemas/order-event.ts'
import type { DestinationView } from '../dispatch/dispatch-control.ts'
import type { EndpointRow } from '../store/port/endpoints.ts'
import { foreign, type Html, html } from './markup.ts'
import { typeWords } from './states.ts'

/** What a destination gets, as far as this process knows it. */
export interface Wants {
  readonly types: readonly string[] | null
  readonly connections: readonly string[] | null
  readonly filtered: boolean
}

export function wantsOf(view: DestinationView | undefined, row: EndpointRow | null | undefined): Wants | null {
  if (row) return { types: row.types, connections: row.connections, filtered: row.filter !== null }
  const wants = view?.wants
  if (!wants) return null
  const list = (set: ReadonlySet<string> | null) => set && [...set]
  return { types: list(wants.types), connections: list(wants.connections), filtered: Boolean(wants.matches) }
}

/** "everything", or which types, connections and whether a filter narrows it further. */
export function wantsWords(wants: Wants | null): Html {
  if (wants === null) return html`<span class="none">known where it runs</span>`
  const { types, connections, filtered } = wants
  const allTypes = types === null || types.length === EventType.options.length
  if (allTypes && connections === null && !filtered) return html`<span class="tag">everything</span>`
  const what = allTypes ? 'every type' : (types ?? []).map(typeWords).join(', ')
  return html`${what}${connections === null ? '' : html` of ${foreign(connections.join(', '), { short: true })}`}${filtered ? html` <span class="tag">filtered</span>` : ''}`
}
