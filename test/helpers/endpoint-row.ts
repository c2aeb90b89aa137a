import type { EndpointRow } from '../../src/store/port/endpoints.ts'

/** An endpoint that wants everything, as the store has it. */
export const endpointRow = (own: Partial<EndpointRow> = {}): EndpointRow => ({
  id: 'billing',
  url: 'http://127.0.0.1/',
  types: null,
  connections: null,
  secret: 'sealed',
  formerSecrets: [],
  restUntil: null,
  filter: null,
  headers: null,
  delivery: null,
  description: null,
  state: 'active',
  stateReason: null,
  declared: false,
  createdAt: 1,
  updatedAt: 1,
  ...own,
})
