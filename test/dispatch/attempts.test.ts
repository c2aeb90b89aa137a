import { expect, test } from 'vitest'
import { createAttemptRecorder } from '../../src/dispatch/attempts.ts'
import type { AttemptRow } from '../../src/store/port/deliveries.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { silent } from './rig.ts'

function recording() {
  const clock = memoryClock()
  const writes: AttemptRow[][] = []
  const store = { fails: false }
  const deliveries = {
    async record(rows: readonly AttemptRow[]) {
      if (store.fails) throw new Error('away')
      writes.push([...rows])
    },
  }
  return { clock, writes, store, recorder: createAttemptRecorder({ deliveries, clock, log: silent }) }
}

const row = (n: number, destination = 'hook'): AttemptRow => ({
  destination,
  eventId: `evt_${n}`,
  orderKey: 'shop/1',
  attempt: 1,
  at: n,
  outcome: 'delivered',
  statusCode: 200,
  ms: 1,
  error: null,
  response: null,
  origin: 'live',
})

test('attempts are written together within a moment', async () => {
  const { clock, writes, recorder } = recording()
  for (let n = 0; n < 20; n++) recorder.record(row(n))
  expect(writes).toEqual([])
  await clock.advance(250)
  expect(writes.map(rows => rows.length)).toEqual([20])
})

test('many attempts are written without waiting', async () => {
  const { clock, writes, recorder } = recording()
  for (let n = 0; n < 500; n++) recorder.record(row(n))
  await clock.flush()
  expect(writes.map(rows => rows.length)).toEqual([500])
})

test('attempts that the store does not take are kept, and written in order when it works again', async () => {
  const { clock, writes, store, recorder } = recording()
  store.fails = true
  recorder.record(row(1))
  await clock.advance(10_000)
  recorder.record(row(2))
  store.fails = false
  await clock.advance(10_000)
  expect(writes.flat().map(one => one.at)).toEqual([1, 2])
})

test('when too many attempts are kept, the newest stay', async () => {
  const { clock, writes, store, recorder } = recording()
  store.fails = true
  for (let n = 0; n < 12_000; n++) recorder.record(row(n))
  await clock.advance(2_000)
  store.fails = false
  await clock.advance(5_000)
  const kept = writes.flat().map(one => one.at)
  expect(kept).toHaveLength(10_000)
  expect(kept.at(-1)).toBe(11_999)
})

test('unwritten attempts of a removed destination are dropped', async () => {
  const { clock, writes, recorder } = recording()
  recorder.record(row(1, 'gone'))
  recorder.record(row(2))
  recorder.forget('gone')
  await clock.advance(250)
  expect(writes.flat().map(one => one.destination)).toEqual(['hook'])
})
