import fc from 'fast-check'
import { Counter, Histogram, Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { destinationCounter, destinationHistogram } from '../../src/telemetry/per-destination.ts'

const [name, help, buckets] = ['seconds', 'A duration', [0.1, 0.5, 1, 30]]

describe('metrics by destination', () => {
  test('show the text and the JSON that prom-client shows for the same observations', async () => {
    const seen = fc.record({
      destination: fc.constantFrom('a', 'b"\n', 'c'),
      seconds: fc.oneof(fc.constantFrom(0, 0.1, 0.5, 30, 31), fc.double({ min: 0, max: 40, noNaN: true })),
      outcome: fc.constantFrom('delivered', 'retry'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(seen)), async scrapes => {
        const [ours, theirs] = [new Registry(), new Registry()]
        const histogram = destinationHistogram({ name, help, buckets, registers: [ours] })
        const counter = destinationCounter({ name: 'count', help, registers: [ours] })
        const plain = new Histogram({ name, help, buckets, labelNames: ['destination'], registers: [theirs] })
        const labelNames = ['destination', 'outcome']
        const plainCounter = new Counter({ name: 'count', help, labelNames, registers: [theirs] })
        for (const scrape of scrapes) {
          for (const { destination, seconds, outcome } of scrape) {
            histogram.of(destination).observe(seconds)
            counter.of(destination, outcome).inc()
            plain.labels({ destination }).observe(seconds)
            plainCounter.inc({ destination, outcome })
          }
          const lines = (text: string) => text.split('\n').sort()
          expect(lines(await ours.metrics())).toEqual(lines(await theirs.metrics()))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('are gone with their destination, whatever is still counted for it, and begin anew with the next of its name', async () => {
    const metrics = createMetrics()
    const count = (id: string) => {
      const [delivered, seconds] = [metrics.deliveries.of(id, 'delivered'), metrics.deliverySeconds.of(id)]
      return () => {
        delivered.inc()
        seconds.observe(0.2)
      }
    }
    const late = count('hook')
    late()
    count('other')()
    const text = async () => (await metrics.registry.metrics()).split('\n').filter(line => line.includes('"hook"'))
    expect(await text()).toContain('orderwire_delivery_seconds_count{destination="hook"} 1')
    metrics.forget('hook')
    late()
    expect(await text()).toEqual([])
    count('hook')()
    expect(await text()).toContain('orderwire_delivery_seconds_count{destination="hook"} 1')
    expect(await text()).toContain('orderwire_deliveries_total{destination="hook",outcome="delivered"} 1')
  })
})
