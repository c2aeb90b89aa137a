import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRig, event, eventsOfOrders, outcome, type Rig } from './rig.ts'

/** Runs until everything is delivered or dead, however many lives that takes. */
async function survive(rig: Rig, crashes: readonly number[]): Promise<void> {
  for (const crashAfterCalls of crashes) {
    await rig.start({ crashAfterCalls })
    await rig.clock.advance(3_000)
    rig.crash()
  }
  await rig.start()
  await rig.clock.until(rig.quiet, 3_600_000)
}

const complete = (rig: Rig, id: string) => [...rig.store.events.keys()].filter(one => !rig.done(id, one))

describe('a crash', () => {
  test('at any call to the store loses nothing and lets nothing overtake', async () => {
    for (let call = 1; call <= 60; call++) {
      const rig = createRig({ delivery: { retries: [200, 400, 800], concurrency: 2 }, batch: 7 })
      rig.destination('hook', async ({ event, attempt }) => {
        await rig.clock.sleep(20)
        return outcome(attempt === 1 && event.orderId === 'b' ? 'retry' : 'delivered')
      })
      await rig.publish(...eventsOfOrders(['a', 'b', 'c'], 6))
      await survive(rig, [call])
      expect({ call, lost: complete(rig, 'hook'), overtaken: rig.violations }).toEqual({
        call,
        lost: [],
        overtaken: [],
      })
    }
  })

  test('at any number of places, with any answers, loses nothing and lets nothing overtake', async () => {
    const script = fc.record({
      orders: fc.integer({ min: 1, max: 6 }),
      events: fc.integer({ min: 1, max: 8 }),
      batch: fc.integer({ min: 1, max: 20 }),
      partitions: fc.integer({ min: 1, max: 3 }),
      concurrency: fc.integer({ min: 1, max: 4 }),
      crashes: fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 5 }),
      answers: fc.array(
        fc.record({
          result: fc.constantFrom('delivered', 'delivered', 'delivered', 'retry', 'give-up' as const),
          ms: fc.constantFrom(0, 1, 30, 900),
        }),
        { minLength: 1, maxLength: 30 },
      ),
      pauses: fc.array(fc.constantFrom('active', 'paused' as const), { maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(script, async ({ orders, events, batch, partitions, concurrency, crashes, answers, pauses }) => {
        const delivery = { concurrency, retries: [50, 100, 200, 400, 800, 1600, 3200] }
        const rig = createRig({ batch, partitions, delivery, embedded: partitions === 1 })
        let n = 0
        // At least one of them is fine, or an endpoint would rightly be disabled in the end.
        const script = [...answers, { result: 'delivered', ms: 0 } as const]
        const answer = async () => {
          const { result, ms } = script[n++ % script.length] ?? { result: 'delivered', ms: 0 }
          if (ms > 0) await rig.clock.sleep(ms)
          return outcome(result)
        }
        rig.destination('one', answer)
        rig.destination('two', answer, { kind: 'endpoint', types: ['order.paid'] })
        const names = Array.from({ length: orders }, (_, index) => `o${index}`)
        const list = eventsOfOrders(names, events)
        await rig.publish(...list.slice(0, list.length / 2))
        for (const crashAfterCalls of crashes) {
          await rig.start({ crashAfterCalls })
          await rig.clock.advance(200)
          rig.set('one', { state: pauses[n % pauses.length] ?? 'active' })
          await rig.clock.advance(1_000)
          rig.crash()
        }
        rig.set('one', { state: 'active' })
        await rig.start()
        await rig.publish(...list.slice(list.length / 2))
        await rig.clock.until(rig.quiet, 4 * 86_400_000)
        expect(complete(rig, 'one')).toEqual([])
        expect(complete(rig, 'two')).toEqual([])
        expect(rig.violations).toEqual([])
      }),
      { numRuns: 150 },
    )
  })

  test('with a full queue does not let the backlog overtake what is read again', async () => {
    const rig = createRig({ batch: 5 })
    const hang = Promise.withResolvers<void>()
    rig.destination(
      'hook',
      async ({ event }) => {
        if (event.orderId === 'a' && event.sequence === 1) await hang.promise
        return outcome('delivered')
      },
      { delivery: { concurrency: 1 } },
    )
    // Another one that is not to be kept waiting, so what is too much for the first goes to the store.
    rig.destination('other')
    await rig.start()
    await rig.publish(event('a', 1))
    await rig.clock.flush()
    await rig.publish(
      ...eventsOfOrders(
        Array.from({ length: 1_200 }, (_, i) => `o${i}`),
        1,
      ),
      event('a', 2),
    )
    await rig.clock.advance(2_000)
    expect(rig.store.waiting('hook', 'shop/a')).toEqual([event('a', 1).id, event('a', 2).id])
    rig.crash()
    hang.resolve()
    await rig.start()
    await rig.clock.until(rig.quiet, 60_000)
    expect(rig.violations).toEqual([])
    expect(complete(rig, 'hook')).toEqual([])
  })
})

describe('a failing store', () => {
  test('stops reading, is reported, and loses nothing when it works again', async () => {
    const rig = createRig({ delivery: { retries: [100, 200, 400] } })
    let down = false
    rig.store.trouble = () => {
      if (down) throw new Error('disk full')
    }
    rig.destination('hook', ({ attempt }) => outcome(attempt === 1 ? 'retry' : 'delivered'))
    await rig.start()
    down = true
    await rig.publish(...eventsOfOrders(['a', 'b', 'c'], 3))
    await rig.clock.advance(20_000)
    expect(rig.log.settled()).toBe(0)
    expect(rig.dispatcher.health()).toContain('disk full')
    down = false
    await rig.clock.until(rig.quiet, 60_000)
    await rig.clock.until(() => rig.dispatcher.health() === null)
    expect(complete(rig, 'hook')).toEqual([])
    expect(rig.violations).toEqual([])
  })
})
