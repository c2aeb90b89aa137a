import { expect, test } from 'vitest'
import { createRig, event, outcome } from './rig.ts'

const [EVENTS, SIZE] = [100, 850_000]
/** The memory of one destination (`src/dispatch/memory.ts`). */
const MOST = 16 * 1024 * 1024

test('of events of 850 kB, a destination that does not answer keeps 16 MB in memory; the rest is in its backlog, and others get all', async () => {
  const rig = createRig()
  rig.destination('slow', () => new Promise(() => {}), { delivery: { concurrency: 2 } })
  rig.destination('fast')
  await rig.start()
  const body = 'x'.repeat(SIZE)
  const events = Array.from({ length: EVENTS }, (_, index) => ({ ...event(`o${index}`), body }))
  for (const one of events) {
    await rig.publish(one)
    await rig.clock.flush()
  }
  await rig.clock.advance(5_000)
  expect(rig.trace('fast')).toEqual(events.map(({ orderId }) => `${orderId}:1`))
  expect(rig.trace('slow')).toHaveLength(2)
  const kept = EVENTS - rig.store.rows('slow').length
  expect(kept).toBe(Math.floor(MOST / SIZE))
  expect(rig.violations).toEqual([])
})

test('they leave the backlog one order after the other once the destination answers', async () => {
  const rig = createRig()
  let answers = false
  rig.destination('slow', () => (answers ? outcome('delivered') : outcome('retry')), {
    delivery: { concurrency: 2, retries: Array.from({ length: 20 }, () => 1_000) },
  })
  await rig.start()
  const body = 'x'.repeat(SIZE)
  await rig.publish(
    ...Array.from({ length: EVENTS }, (_, index) => ({ ...event(`o${index % 10}`, Math.floor(index / 10) + 1), body })),
  )
  await rig.clock.advance(2_000)
  answers = true
  await rig.clock.advance(600_000)
  expect(rig.quiet()).toBe(true)
  expect(rig.violations).toEqual([])
})
