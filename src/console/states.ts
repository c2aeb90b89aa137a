import type { Connection, Destination } from '../../schemas/api.ts'
import type { DeliveryStatus } from '../store/port/deliveries.ts'
import { type Html, state, type Tone } from './markup.ts'

/** States as people read them: one word, shape and colour for each, on every page. */

const DESTINATION: Readonly<Record<string, readonly [string, Tone]>> = {
  active: ['active', 'good'],
  failing: ['failing', 'bad'],
  resting: ['resting', 'warn'],
  paused: ['paused', 'off'],
  disabled: ['disabled', 'bad'],
  open: ['circuit open', 'bad'],
}

/** So many failures in a row are worth a word. */
const FAILURES = 3

export function destinationCondition(destination: Destination): string {
  const { state: stored, failuresInRow, restingUntil } = destination
  if (stored !== 'active') return stored
  if (restingUntil !== null) return 'resting'
  return failuresInRow >= FAILURES ? 'failing' : 'active'
}

export function destinationState(destination: Destination): Html {
  const [word, tone] = DESTINATION[destinationCondition(destination)] ?? [destination.state, 'plain']
  return state(word, tone)
}

const CONNECTION: Readonly<Record<Connection['state'], readonly [string, Tone]>> = {
  ok: ['ok', 'good'],
  behind: ['behind', 'warn'],
  failing: ['failing', 'bad'],
  stopped: ['stopped', 'bad'],
}

export const connectionState = ({ state: stored, enabled }: Pick<Connection, 'state' | 'enabled'>): Html =>
  enabled ? state(...CONNECTION[stored]) : state('turned off', 'off')

const DELIVERY: Readonly<Record<DeliveryStatus, readonly [string, Tone]>> = {
  delivered: ['delivered', 'good'],
  waiting: ['waiting', 'warn'],
  dead: ['given up', 'bad'],
}

export const deliveryState = (status: DeliveryStatus): Html => state(...DELIVERY[status])

export const attemptState = (outcome: 'delivered' | 'retry' | 'dead'): Html =>
  outcome === 'delivered'
    ? state('acknowledged', 'good')
    : outcome === 'retry'
      ? state('failed', 'warn')
      : state('given up', 'bad')

/** `0.984` → `98.4 %`. */
export const percent = (share: number | null): string =>
  share === null ? '–' : `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`

/** `1234` → `1.2 s`. */
export const milliseconds = (ms: number | null): string =>
  ms === null ? '–' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`

/** `order.shipment_updated` → `shipment updated`. */
export const typeWords = (type: string): string => type.replace(/^order\./, '').replaceAll('_', ' ')
