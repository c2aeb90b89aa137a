import type { Config, EndpointConfig } from '../../../schemas/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { newSecret, type SecretBox } from '../../lib/secret-box.ts'
import type { EndpointRow, EndpointStore } from '../../store/port/endpoints.ts'
import { formerSecrets, opened, sealHeaders } from '../../store/sealed.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Guard } from './egress.ts'

const REMOVED = 'no longer in the configuration'

/**
 * Updates the stored endpoints at the start to those the configuration declares. A pause by a person stays. An endpoint that is no longer
 * declared is disabled and keeps its backlog, because a line lost in an edit must not lose events. Declared again, it has its former state;
 * until then it can be removed like any other.
 */
export async function declareEndpoints(deps: {
  declared: Config['endpoints']
  endpoints: EndpointStore
  /** Other processes may deliver already. */
  shared: boolean
  box: SecretBox
  guard: Pick<Guard, 'checkUrl'>
  clock: Clock
  log: Log
}): Promise<void> {
  const { declared, endpoints, clock, log } = deps
  const stored = new Map((await endpoints.list()).map(row => [row.id, row]))
  for (const endpoint of declared) {
    const problem = deps.guard.checkUrl(endpoint.url)
    if (problem) log.warn({ endpoint: endpoint.id }, `nothing can be delivered: ${problem}`)
    const row = stored.get(endpoint.id)
    if (row) await bringInLine(endpoint, row)
    else await insert(endpoint)
  }
  const ids = new Set(declared.map(endpoint => endpoint.id))
  for (const row of stored.values()) {
    if (!row.declared || ids.has(row.id)) continue
    log.warn({ endpoint: row.id }, `endpoint disabled: ${REMOVED}; what waits for it is kept`)
    const stateReason = removedFrom(row)
    await endpoints.update(row.id, { declared: false, state: 'disabled', stateReason, updatedAt: clock.now() })
  }

  async function insert(endpoint: EndpointConfig): Promise<void> {
    const now = clock.now()
    if (!endpoint.secret)
      log.warn({ endpoint: endpoint.id }, 'no `secret` declared: deliveries are signed with one nobody knows')
    const row: EndpointRow = {
      id: endpoint.id,
      ...optionsOf(endpoint),
      headers: sealHeaders(deps.box, endpoint.headers),
      secret: deps.box.seal(endpoint.secret ?? newSecret()),
      formerSecrets: [],
      state: 'active',
      stateReason: null,
      restUntil: null,
      declared: true,
      createdAt: now,
      updatedAt: now,
    }
    await endpoints.insert(row, { shared: deps.shared })
  }

  async function bringInLine(endpoint: EndpointConfig, row: EndpointRow): Promise<void> {
    const now = clock.now()
    const back = beforeRemoval(row)
    if (!row.declared && !back)
      log.warn({ endpoint: row.id }, 'an endpoint made through the API is now the one declared under its id')
    const headers = headersOf(endpoint, row)
    await endpoints.update(row.id, {
      ...optionsOf(endpoint),
      ...secretsOf(endpoint, row, now),
      headers,
      ...back,
      declared: true,
      ...(changed(endpoint, row) || headers !== row.headers || back ? { restUntil: null, updatedAt: now } : {}),
    })
  }

  function secretsOf(endpoint: EndpointConfig, row: EndpointRow, now: number): Partial<EndpointRow> {
    if (!endpoint.secret || endpoint.secret === opened(deps.box, row.secret)) return {}
    return { secret: deps.box.seal(endpoint.secret), formerSecrets: formerSecrets(deps.box, row, now) }
  }

  /** The declared members; secrets are sealed again only if they changed. */
  function headersOf({ headers = {} }: EndpointConfig, row: EndpointRow): EndpointRow['headers'] {
    const names = Object.keys(headers)
    const same =
      names.length === Object.keys(row.headers ?? {}).length &&
      names.every(name => {
        const sealed = row.headers?.[name]
        return sealed !== undefined && opened(deps.box, sealed) === headers[name]
      })
    return same ? row.headers : sealHeaders(deps.box, headers)
  }
}

type Standing = Pick<EndpointRow, 'state' | 'stateReason'>

/** The reason records the former state, for people and for the case that the endpoint is declared again. */
const removedFrom = ({ state, stateReason }: Standing): string =>
  state === 'active' ? REMOVED : `${REMOVED}; it was ${state}${stateReason === null ? '' : `: ${stateReason}`}`

/** The state before it left the configuration; null: it did not leave, or somebody has resumed or paused it since. */
function beforeRemoval({ state, stateReason }: Standing): Standing | null {
  if (state !== 'disabled' || !stateReason?.startsWith(REMOVED)) return null
  const [, was, reason] = /^; it was (paused|disabled)(?:: (.*))?$/s.exec(stateReason.slice(REMOVED.length)) ?? []
  if (was === 'paused' || was === 'disabled') return { state: was, stateReason: reason ?? null }
  return { state: 'active', stateReason: null }
}

const optionsOf = ({ url, types, connections, filter, delivery, description }: EndpointConfig) => ({
  url,
  types: types ?? null,
  connections: connections ?? null,
  filter: filter ?? null,
  delivery: delivery ? present(delivery) : null,
  description: description ?? null,
})

const present = (options: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

const changed = (endpoint: EndpointConfig, row: EndpointRow): boolean =>
  Object.entries(optionsOf(endpoint)).some(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(row[name as keyof EndpointRow]),
  )
