import { expect, test } from 'vitest'
import { createHeldBack } from '../../src/ingest/held-back.ts'
import { AppError } from '../../src/lib/errors.ts'
import { eventRecord } from '../helpers/event-records.ts'

test('a partition that refuses is tried again every 3 s at least at first: its new leader may be there; later every 15 s', () => {
  let now = 0
  const heldBack = createHeldBack({ monotonic: () => now, partitionOf: () => 4 })
  const event = eventRecord({ orderId: 'o1' })
  const pauses: number[] = []
  for (let refusal = 0; refusal < 10; refusal++) {
    const error = new AppError('no leader', { code: 'kafka.busy', intent: 'retry' })
    const hold = heldBack.hold({ event, error, partition: 4 })
    pauses.push(hold.dueAt - now)
    now = hold.dueAt
  }
  expect(pauses).toEqual([1, 2, 3, 3, 3, 3, 6, 12, 15, 15].map(seconds => seconds * 1_000))
})
