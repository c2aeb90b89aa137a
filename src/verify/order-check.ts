import { z } from 'zod'
import { OrderEvent } from '../../schemas/order-event.ts'
import { eventIdOf, typeOfKey } from '../order/event-id.ts'
import type { CheckedEvent, CheckedOrder } from '../store/port/verify.ts'
import type { CheckName } from './finding.ts'

/** Checks a single order or event. Pure. */

export type Fault = readonly [check: CheckName, what: string]

const MOST_NAMED = 10

const State = z.object({ sequence: z.number().int().nonnegative(), said: z.array(z.string()) })

/** `untouched`: retention never removed an event, so the first events of an order must be there too. */
export function orderFaults(order: CheckedOrder, untouched: boolean): Fault[] {
  const state = readState(order.state)
  if (typeof state === 'string') return [['order.state', `its state cannot be read: ${state}`]]
  const faults: Fault[] = []
  const { sequence, said } = state
  const doubled = said.length !== new Set(said).size
  if (said.length !== sequence || doubled)
    faults.push([
      'order.state',
      `its state remembers ${said.length} facts${doubled ? ', some of them twice,' : ''} and ${sequence} events`,
    ])

  const there = order.events.map(event => event.sequence)
  const first = untouched ? 1 : (there[0] ?? sequence + 1)
  const last = there.at(-1) ?? (untouched ? 0 : sequence)
  const missing = absent(there, first, last)
  if (missing.length > 0) faults.push(['order.gap', `${named(missing, 'event', 'is', 'are')} missing before ${last}`])
  if (last !== sequence)
    faults.push([
      'order.sequence',
      last < sequence
        ? `its state is at ${sequence}, but the history ends with ${last}`
        : `its history goes on to ${last}, but its state is at ${sequence}`,
    ])

  const ids = new Set(said.flatMap(key => idOf(order, key) ?? []))
  const unsaid = order.events.filter(({ id }) => !ids.has(id))
  if (unsaid.length > 0)
    faults.push([
      'order.unsaid',
      `its state does not remember ${unsaid
        .slice(0, MOST_NAMED)
        .map(({ id }) => id)
        .join(', ')}`,
    ])
  return faults
}

function readState(text: string): z.output<typeof State> | string {
  try {
    const { data, error } = State.safeParse(JSON.parse(text))
    return data ?? firstIssue(error)
  } catch {
    return 'no JSON'
  }
}

function idOf({ connection, orderId }: CheckedOrder, key: string): string | null {
  const type = typeOfKey(key)
  return type && eventIdOf(connection, orderId, type, key)
}

/** The whole numbers of [first, last] that are not among these; a few of them at least. */
function absent(numbers: readonly number[], first: number, last: number): number[] {
  const there = new Set(numbers)
  const missing: number[] = []
  for (let number = first; number <= last && missing.length <= MOST_NAMED; number++)
    if (!there.has(number)) missing.push(number)
  return missing
}

function named(numbers: readonly number[], noun: string, is: string, are: string): string {
  if (numbers.length === 1) return `${noun} ${numbers[0]} ${is}`
  const more = numbers.length > MOST_NAMED ? ' and more' : ''
  return `${noun}s ${numbers.slice(0, MOST_NAMED).join(', ')}${more} ${are}`
}

export function eventFaults(event: CheckedEvent): Fault[] {
  const faults: Fault[] = event.hasOrder ? [] : [['event.no_order', `its order ${event.orderKey} is not remembered`]]
  const body = readEvent(event.body)
  if (typeof body === 'string') return [...faults, ['event.unreadable', body]]
  const pairs: Record<string, readonly [column: unknown, body: unknown]> = {
    id: [event.id, body.id],
    type: [event.type, body.type],
    connection: [event.connection, body.data.connection],
    order: [event.orderId, body.data.orderId],
    subject: [event.orderId, body.subject],
    partitionkey: [event.orderKey, body.partitionkey],
    'order key': [event.orderKey, `${event.connection}/${event.orderId}`],
    sequence: [event.sequence, body.data.sequence],
    'sequence as text': [event.sequence, Number(body.sequence)],
    occurredAt: [event.occurredAt, Date.parse(body.data.occurredAt)],
    occurredAtSource: [event.occurredAtSource, body.data.occurredAtSource],
    observedAt: [event.observedAt, Date.parse(body.data.observedAt)],
  }
  for (const [name, [column, said]] of Object.entries(pairs))
    if (column !== said) faults.push(['event.disagrees', `${name}: stored as ${column}, the event says ${said}`])
  return faults
}

/** The event, or what is wrong with it. */
export function readEvent(text: string): OrderEvent | string {
  try {
    const { data, error } = OrderEvent.safeParse(JSON.parse(text))
    return data ?? firstIssue(error)
  } catch {
    return 'it is no JSON'
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues
  return issue ? `${issue.path.join('.') || 'it'}: ${issue.message}` : 'it has another shape'
}
