import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { addAmounts } from '../../src/order/money.ts'
import { gist, OBSERVED_AT, observer } from '../helpers/decided.ts'
import { paid, parcel, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'

/** What truly happens to an order, step by step; each step is one more thing that stays true. */
type Step = 'pay' | 'ship-1' | 'ship-2' | 'arrive-1' | 'arrive-2' | 'refund-1' | 'refund-2' | 'cancel'
const STEPS: readonly Step[] = ['pay', 'ship-1', 'ship-2', 'arrive-1', 'arrive-2', 'refund-1', 'refund-2', 'cancel']

function after(steps: readonly Step[]): OrderSnapshot {
  const done = new Set(steps)
  const records = [
    ...(done.has('refund-1') ? [refundRecord('r-1', '3.00')] : []),
    ...(done.has('refund-2') ? [refundRecord('r-2', '4.00')] : []),
  ]
  const packages = [1, 2].flatMap(n =>
    done.has(`ship-${n}` as Step)
      ? [parcel(`p-${n}`, { delivered: done.has(`arrive-${n}` as Step) ? { when: null } : null })]
      : [],
  )
  return snapshot({
    paid: done.has('pay') ? paid() : null,
    packages,
    refund: records.length > 0 ? refundTotal('7.00', { records, full: false }) : null,
    cancelled: done.has('cancel') ? { when: null, reason: null } : null,
  })
}

/** A history in which packages ship before they arrive. */
const history = fc
  .shuffledSubarray([...STEPS])
  .map(steps =>
    steps.filter(
      (step, at) => !step.startsWith('arrive') || steps.slice(0, at).includes(`ship-${step.at(-1)}` as Step),
    ),
  )

/** Which states of the history are observed, in which order: missed polls, repeats and late answers of an index that lags. */
const observations = history.chain(steps =>
  fc.record({
    steps: fc.constant(steps),
    seen: fc.array(fc.nat({ max: steps.length }), { maxLength: 12 }),
  }),
)

test('any observations of one history give the same set of events once its end is seen, numbered without a gap', () => {
  fc.assert(
    fc.property(observations, ({ steps, seen }) => {
      const order = observer()
      for (const length of seen) order.see(after(steps.slice(0, length)))
      order.see(after(steps))
      const once = observer()
      once.see(after(steps))
      expect(order.all.map(gistOf).sort()).toEqual(once.all.map(gistOf).sort())
      expect(order.all.map(({ data }) => data.sequence)).toEqual(order.all.map((_, index) => index + 1))
      expect(new Set(order.all.map(({ id }) => id)).size).toBe(order.all.length)
    }),
    { numRuns: 500 },
  )
})

test('the events of a prefix of the history are never contradicted by the whole, and observing again yields nothing', () => {
  fc.assert(
    fc.property(observations, ({ steps, seen }) => {
      const order = observer()
      const ids = new Set<string>()
      for (const length of [...seen, steps.length]) {
        for (const { id } of order.see(after(steps.slice(0, length))).events) {
          expect(ids.has(id)).toBe(false)
          ids.add(id)
        }
        expect(order.see(after(steps.slice(0, length))).events).toEqual([])
      }
      const whole = observer()
      whole.see(after(steps))
      const allIds = new Set<string>(whole.all.map(({ id }) => id))
      for (const id of ids) expect(allIds.has(id)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('refunds by a running total add up to the highest total seen, whatever was missed', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1 }), cents => {
      const order = observer()
      cents.forEach((total, index) => {
        order.see(snapshot({ refund: refundTotal((total / 100).toFixed(2)) }), OBSERVED_AT + index)
      })
      const sum = order.all.reduce(
        (all, event) =>
          event.type === 'order.refunded' && event.data.refund.amount ? addAmounts(all, event.data.refund.amount) : all,
        '0.00',
      )
      expect(sum).toBe((Math.max(...cents) / 100).toFixed(2))
    }),
    { numRuns: 500 },
  )
})

const gistOf = (event: Parameters<typeof gist>[0]) => gist(event).replace(' full', '')
