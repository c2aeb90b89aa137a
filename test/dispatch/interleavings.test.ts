import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MemoryClock } from '../helpers/memory-clock.ts'
import { createRig, event, outcome } from './rig.ts'

/** What may happen to a dispatcher at any time. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      orders: fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 7, 40, 300, 2_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'replay' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'stop' as const, 'rebalance' as const) }) },
)

const scenario = fc.record({
  seed: fc.integer(),
  steps: fc.array(step, { minLength: 3, maxLength: 25 }),
  partitions: fc.integer({ min: 1, max: 2 }),
  batch: fc.integer({ min: 1, max: 6 }),
  queueLimit: fc.integer({ min: 1, max: 6 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  storeMs: fc.constantFrom(0, 3, 30),
  answerMs: fc.constantFrom(0, 10, 200),
  failing: fc.constantFrom(0, 0.1, 0.4),
})

test('whatever happens, with a slow store and little memory, nothing is lost and nothing overtakes', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ seed, steps, storeMs, answerMs, failing, ...options }) => {
      const random = seeded(seed)
      const rig = createRig({
        ...options,
        embedded: options.partitions === 1,
        delivery: { concurrency: options.concurrency, retries: [20, 100, 500, 1_000, 2_000, 4_000] },
        latency: () => Math.floor(random() * storeMs),
      })
      const answer = async () => {
        await rig.clock.sleep(Math.floor(random() * answerMs))
        const dice = random()
        return outcome(dice < failing ? 'retry' : dice < failing + 0.02 ? 'give-up' : 'delivered')
      }
      rig.destination('one', answer, { kind: 'endpoint' })
      rig.destination('two', answer)
      const last = new Map<number, number>()
      let running = await rig.start()
      for (const one of steps) {
        switch (one.do) {
          case 'publish': {
            const events = one.orders.map(order => {
              const sequence = (last.get(order) ?? 0) + 1
              last.set(order, sequence)
              return event(`o${order}`, sequence)
            })
            await rig.publish(...events)
            break
          }
          case 'wait':
            await rig.clock.advance(one.ms)
            break
          case 'pause':
          case 'resume':
            rig.set('one', { state: one.do === 'pause' ? 'paused' : 'active' })
            await passing(rig.clock, running.refresh())
            break
          case 'replay': {
            void running.replay('one', {}).catch(() => {})
            break
          }
          case 'crash':
            rig.crash()
            running = await rig.start()
            break
          case 'stop': {
            const stopped = running.stop(100)
            await rig.clock.advance(3_000)
            await stopped
            rig.crash()
            running = await rig.start()
            break
          }
          case 'rebalance': {
            const revoked = rig.log.revoke([0])
            await rig.clock.advance(12_000)
            await revoked
            await passing(rig.clock, rig.log.assign([0]))
            break
          }
        }
      }
      rig.set('one', { state: 'active' })
      await passing(rig.clock, running.refresh())
      await rig.clock.until(rig.quiet, 2 * 86_400_000)
      const lost = [...rig.store.events.keys()].filter(id => !rig.done('one', id) || !rig.done('two', id))
      expect(lost).toEqual([])
      expect(rig.violations).toEqual([])
    }),
    { numRuns: 200 },
  )
})

/** Lets time pass until the work is done, however it ends. */
async function passing(clock: MemoryClock, work: Promise<unknown>): Promise<void> {
  let over = false
  void work
    .catch(() => {})
    .then(() => {
      over = true
    })
  await clock.until(() => over)
}

/** The same numbers in [0, 1) for the same seed. */
function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
