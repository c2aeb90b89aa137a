import type { z } from 'zod'
import type { Endpoint } from '../../schemas/api.ts'
import type { DeliveryOptions } from '../../schemas/config.ts'
import { timestamp } from '../lib/clock.ts'
import { durationText } from '../lib/duration.ts'
import type { EndpointRow } from '../store/port/endpoints.ts'
import type { ReplayRow } from '../store/port/replays.ts'

type Options = z.output<typeof DeliveryOptions>

/** An endpoint without its secrets. `replays`: the pending replays of all endpoints. */
export function endpointView(row: EndpointRow, replays: readonly ReplayRow[]): Endpoint {
  const opening = replays.find(replay => replay.opening && replay.destination === row.id)
  return {
    id: row.id,
    url: row.url,
    types: row.types && [...row.types],
    connections: row.connections && [...row.connections],
    filter: row.filter && { ...row.filter },
    headerNames: Object.keys(row.headers ?? {}),
    delivery: row.delivery && deliveryView(row.delivery),
    description: row.description,
    state: row.state,
    stateReason: row.stateReason,
    replaySince: opening?.filter.since === undefined ? null : timestamp(opening.filter.since),
    declared: row.declared,
    createdAt: timestamp(row.createdAt),
    updatedAt: timestamp(row.updatedAt),
  }
}

/** The options in the form of a request, so a client can send them back. The store has durations in milliseconds. */
function deliveryView({ timeout, retries, ...rest }: Options): NonNullable<Endpoint['delivery']> {
  const { concurrency, rateLimit, onExhausted } = rest
  return {
    ...(timeout !== undefined && { timeout: durationText(timeout) }),
    ...(retries !== undefined && { retries: retries.map(durationText) }),
    ...(concurrency !== undefined && { concurrency }),
    ...(rateLimit !== undefined && { rateLimit }),
    ...(onExhausted !== undefined && { onExhausted }),
  }
}

/** The options in the form of the store: without undefined members. */
export function storedDelivery(options: Options | null | undefined): EndpointRow['delivery'] {
  return options ? Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) : null
}
