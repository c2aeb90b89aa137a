import type { OrderEvent } from '../../schemas/order-event.ts'
import { factOf } from '../helpers/fact-of.ts'
import { history } from '../helpers/history.ts'
import type { Program } from '../helpers/program.ts'
import type { subscriber } from '../helpers/subscriber.ts'

/** What was told, held against what truly happened. */
export interface Verdict {
  /** Facts that truly happened and were not said, or were said and did not happen. */
  readonly lost: readonly string[]
  readonly invented: readonly string[]
  /** Facts that were said with two different ids. */
  readonly doubled: readonly string[]
  readonly events: number
  readonly orders: number
  readonly subscribers: readonly {
    /** Events of the history that never arrived. */
    missing: number
    /** Places where a first delivery came before the one it should have followed. */
    inversions: readonly string[]
    deliveries: number
    repeats: number
  }[]
}

export const isGood = ({ lost, invented, doubled, subscribers }: Verdict): boolean =>
  lost.length + invented.length + doubled.length === 0 &&
  subscribers.every(({ missing, inversions }) => missing + inversions.length === 0)

export async function judge(told: {
  facts: readonly string[]
  api: Program
  subscribers: readonly Awaited<ReturnType<typeof subscriber>>[]
}): Promise<Verdict> {
  const { facts, subscribers } = told
  const events = await history(told.api)
  const said = events.map(factOf)
  const [heard, truth] = [new Set(said), new Set(facts)]
  const twice = Map.groupBy(said, fact => fact)
  return {
    lost: facts.filter(fact => !heard.has(fact)),
    invented: [...new Set([...heard, ...subscribers.flatMap(one => one.received.map(factOf))])].filter(
      fact => !truth.has(fact),
    ),
    doubled: [...twice].flatMap(([fact, { length }]) => (length > 1 ? [fact] : [])),
    events: events.length,
    orders: new Set(events.map(({ partitionkey }) => partitionkey)).size,
    subscribers: subscribers.map(one => {
      const ids = one.ids()
      return {
        missing: events.filter(({ id }) => !ids.has(id)).length,
        inversions: one.inversions(),
        deliveries: one.received.length,
        repeats: one.received.length - ids.size,
      }
    }),
  }
}

/** How many events of the history each subscriber has not got. */
export async function missed(
  api: Program,
  subscribers: readonly Awaited<ReturnType<typeof subscriber>>[],
): Promise<readonly number[]> {
  const events = await history(api)
  return subscribers.map(one => {
    const ids = one.ids()
    return events.filter(({ id }) => !ids.has(id)).length
  })
}

/** Orders that were told with one sequence number for two events, or with two for one: the store went back between. */
export function renumbered(subscribers: readonly { readonly received: readonly OrderEvent[] }[]): ReadonlySet<string> {
  const seen = new Map<string, string>()
  const orders = new Set<string>()
  for (const { id, partitionkey, data } of subscribers.flatMap(({ received }) => received)) {
    const place = `${partitionkey} #${data.sequence}`
    if ((seen.get(place) ?? id) !== id || (seen.get(id) ?? place) !== place) orders.add(partitionkey)
    seen.set(place, id).set(id, place)
  }
  return orders
}
