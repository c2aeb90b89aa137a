import type { OrderEvent } from '../../schemas/order-event.ts'
import { partitionFor } from '../../src/lib/murmur2.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'

const LOOK_EVERY_MS = 100

/** How long nothing happened in a span of time, seconds, and what happened twice. */
export interface Silence {
  /** The longest time between two requests to one vendor. */
  readonly poll: number
  /** Between two moments at which the store had new events. */
  readonly event: number
  /** Between two first deliveries. */
  readonly delivery: number
  /** The same of the partition that waited longest. */
  readonly partition: number
  /** Deliveries of events that the endpoint had acknowledged before. */
  readonly repeats: number
}

interface Receiver {
  readonly received: readonly OrderEvent[]
  readonly receivedAt: readonly number[]
}

/** Watches everything that has to go on. Times are those of `performance.now()`. */
export function createWitness(options: {
  sandbox: Sandbox
  subscribers: readonly Receiver[]
  partitions: number
  /** How many events are stored; rejects while the store is away. */
  stored: () => Promise<number>
}) {
  const { sandbox, subscribers, partitions, stored } = options
  const desks = [sandbox.kakaclo, sandbox.shoplazza]
  const polls = new Map<object, number[]>(desks.map(desk => [desk, []]))
  const events: number[] = []
  let most = 0
  let asking = false

  function look(): void {
    for (const desk of desks) {
      const known = polls.get(desk) ?? []
      const last = known.at(-1) ?? 0
      for (const { at } of desk.requests()) {
        const here = at - performance.timeOrigin
        if (here > last) known.push(here)
      }
    }
    if (asking) return
    asking = true
    stored()
      .then(count => {
        if (count > most) events.push(performance.now())
        most = Math.max(most, count)
      })
      .catch(() => {})
      .finally(() => {
        asking = false
      })
  }

  /** First deliveries to each subscriber by partition, and repeats. */
  function deliveries({ received, receivedAt }: Receiver) {
    const seen = new Set<string>()
    const firsts = new Map<number, number[]>()
    const repeats: number[] = []
    for (const [index, { id, partitionkey }] of received.entries()) {
      const at = receivedAt[index] ?? 0
      if (seen.has(id)) repeats.push(at)
      else {
        const partition = partitionFor(partitionkey, partitions)
        firsts.set(partition, [...(firsts.get(partition) ?? []), at])
      }
      seen.add(id)
    }
    return { firsts, repeats }
  }

  const timer = setInterval(look, LOOK_EVERY_MS)
  return {
    /** What was between these two moments. */
    between(from: number, to: number): Silence {
      const told = subscribers.map(deliveries)
      const all = told.map(({ firsts }) => [...firsts.values()].flat().sort((a, b) => a - b))
      const worst = (lines: readonly (readonly number[])[]) => Math.max(...lines.map(at => longestGap(at, from, to)))
      return {
        poll: worst([...polls.values()]),
        event: longestGap(events, from, to),
        delivery: worst(all),
        partition: worst(told.flatMap(({ firsts }) => [...firsts.values()])),
        repeats: told.flatMap(({ repeats }) => repeats).filter(at => at >= from && at < to).length,
      }
    },
    close: () => clearInterval(timer),
  }
}

/** The longest time without a happening that ends within the span, or goes on at its end; seconds. */
function longestGap(happenings: readonly number[], from: number, to: number): number {
  const before = happenings.findLast(at => at < from) ?? from
  const inside = happenings.filter(at => at >= from && at < to)
  const marks = [before, ...inside, to]
  const gaps = marks.slice(1).map((at, index) => at - (marks[index] ?? at))
  return Math.round(Math.max(...gaps) / 100) / 10
}
