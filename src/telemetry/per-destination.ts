import { Counter, Histogram, type Registry } from 'prom-client'

/**
 * Metrics of deliveries, by destination. prom-client looks its series up by a text made of the labels, at each observation. These are
 * observed several times for each event, so the series of a destination is found once and kept by whoever counts.
 */

interface Options {
  readonly name: string
  readonly help: string
  readonly registers: Registry[]
}

export interface DestinationHistogram {
  of(destination: string): Observed
  /** Removes the series. Observations through a series that was found before count nowhere. */
  remove(destination: string): void
}

interface Observed {
  /** Seconds. */
  observe(value: number): void
}

/** `buckets`: upper bounds, ascending. */
export function destinationHistogram({ buckets, ...options }: Options & { buckets: number[] }): DestinationHistogram {
  const series = new Map<string, { readonly counts: number[]; sum: number; count: number }>()
  const metric = new Histogram({ ...options, buckets, labelNames: ['destination'] })
  const { name, help } = options

  /** As prom-client shows a histogram: each bucket counts what is below its bound. */
  function* values() {
    for (const [destination, { counts, sum, count }] of series) {
      if (count === 0) continue
      let below = 0
      for (const [at, bound] of [...buckets, '+Inf'].entries()) {
        below += counts[at] ?? 0
        yield { metricName: `${name}_bucket`, labels: { le: bound, destination }, value: below }
      }
      yield { metricName: `${name}_sum`, labels: { destination }, value: sum }
      yield { metricName: `${name}_count`, labels: { destination }, value: count }
    }
  }

  const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: [...values()] })
  Object.assign(metric, { get, getForPromString: get })

  return {
    of(destination) {
      const found = series.get(destination) ?? {
        counts: new Array<number>(buckets.length + 1).fill(0),
        sum: 0,
        count: 0,
      }
      series.set(destination, found)
      return {
        observe(value) {
          let at = 0
          while (value > (buckets[at] ?? Number.POSITIVE_INFINITY)) at++
          found.counts[at] = (found.counts[at] ?? 0) + 1
          found.sum += value
          found.count++
        },
      }
    },
    remove: destination => void series.delete(destination),
  }
}

export interface DestinationCounter<O extends string> {
  of(destination: string, outcome: O): Counted
  remove(destination: string): void
}

interface Counted {
  inc(): void
}

export function destinationCounter<O extends string>(options: Options): DestinationCounter<O> {
  const series = new Map<string, Map<O, { uncollected: number }>>()
  const metric = new Counter({
    ...options,
    labelNames: ['destination', 'outcome'],
    collect() {
      for (const [destination, outcomes] of series)
        for (const [outcome, counted] of outcomes) {
          if (counted.uncollected > 0) metric.inc({ destination, outcome }, counted.uncollected)
          counted.uncollected = 0
        }
    },
  })
  return {
    of(destination, outcome) {
      const outcomes = series.get(destination) ?? new Map<O, { uncollected: number }>()
      series.set(destination, outcomes)
      const counted = outcomes.get(outcome) ?? { uncollected: 0 }
      outcomes.set(outcome, counted)
      return { inc: () => void counted.uncollected++ }
    },
    remove(destination) {
      for (const outcome of series.get(destination)?.keys() ?? []) metric.remove({ destination, outcome })
      series.delete(destination)
    },
  }
}
