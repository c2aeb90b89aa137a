import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createAtWork } from '../../src/destinations/handlers/at-work.ts'
import { watchEventLoop } from '../../src/telemetry/loop-watch.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { memoryClock } from '../helpers/memory-clock.ts'

function setUp() {
  const clock = memoryClock()
  let lateMs = 0
  const atWork = createAtWork()
  const metrics = createMetrics()
  const lines: Record<string, unknown>[] = []
  const stop = watchEventLoop({
    clock: { ...clock, monotonic: () => clock.monotonic() + lateMs },
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    metrics,
    suspects: atWork.suspects,
  })
  const lag = async () => (await metrics.eventLoopLag.get()).values[0]?.value
  const standStill = (ms: number) => {
    lateMs += ms
  }
  return { clock, atWork, lines, lag, stop, standStill }
}

test('an event loop that stands still for over a second is a warning that names the handler that ran', async () => {
  const { clock, atWork, lines, lag, stop, standStill } = setUp()
  await clock.advance(500)
  expect(lines).toEqual([])
  const done = atWork.begin('mail')
  standStill(3_100)
  done()
  await clock.advance(500)
  expect(lines).toMatchObject([{ level: 40, seconds: 3.1, handlers: ['mail'] }])
  expect(await lag()).toBeCloseTo(3.1)
  await clock.advance(10_000)
  expect(lines).toHaveLength(1)
  stop()
})

test('of several handlers that ran, those are named that blocked; if none is known to have, all of them', () => {
  const atWork = createAtWork()
  const mail = atWork.begin('mail')
  atWork.begin('stock')
  atWork.blocked('stock', 2_000)
  expect(atWork.suspects()).toEqual(['stock'])
  expect(atWork.suspects()).toEqual(['mail', 'stock'])
  mail()
  expect(atWork.suspects()).toEqual(['mail', 'stock'])
  expect(atWork.suspects()).toEqual(['stock'])
})

test('the metric forgets a stall after half a minute', async () => {
  const { clock, lag, stop, standStill } = setUp()
  standStill(2_000)
  await clock.advance(500)
  expect(await lag()).toBeCloseTo(2)
  for (let step = 0; step < 64; step++) await clock.advance(500)
  expect(await lag()).toBe(0)
  stop()
})
