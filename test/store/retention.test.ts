import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { PruneBounds } from '../../src/store/port/retention.ts'
import { startRetention } from '../../src/store/retention.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { memoryClock } from '../helpers/memory-clock.ts'

const DAY = 86_400_000
const retention = { events: 90 * DAY, attempts: 14 * DAY, deadLetters: 30 * DAY }

function setUp(prune: (bounds: PruneBounds) => ReadonlyMap<string, number>) {
  const clock = memoryClock()
  const metrics = createMetrics()
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'info', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const asked: PruneBounds[] = []
  const stop = startRetention({
    store: {
      prune: async bounds => {
        asked.push(bounds)
        return { events: 0, attempts: 0, deadLetters: prune(bounds) }
      },
    },
    retention,
    reader: 'dispatch',
    metrics,
    clock,
    log,
  })
  return { clock, metrics, lines, asked, stop }
}

test('retention prunes once an hour, each kind by its own bound', async () => {
  const { clock, asked, stop } = setUp(() => new Map())
  await clock.advance(60_000)
  await clock.advance(3_600_000)
  stop()
  await clock.advance(3_600_000)
  expect(asked).toHaveLength(2)
  const [first] = asked
  const now = first?.now ?? 0
  expect(first).toEqual({
    events: now - 90 * DAY,
    attempts: now - 14 * DAY,
    deadLetters: now - 30 * DAY,
    reader: 'dispatch',
    now,
  })
})

test('an expired dead letter is counted, with a warning that names its destination', async () => {
  const { clock, metrics, lines, stop } = setUp(() => new Map([['billing', 3]]))
  await clock.advance(60_000)
  await clock.advance(3_600_000)
  stop()
  const warnings = lines.filter(({ level }) => level === 40)
  expect(warnings).toMatchObject([
    { destination: 'billing', expired: 3, msg: expect.stringContaining('dead letters expired') },
    { destination: 'billing', expired: 3 },
  ])
  expect((await metrics.expiredDeadLetters.get()).values).toEqual([{ labels: { destination: 'billing' }, value: 6 }])
})

test('failed retention is logged and tried again', async () => {
  let failures = 0
  const { clock, asked, lines, stop } = setUp(() => {
    failures++
    throw new Error('the store is away')
  })
  await clock.advance(60_000)
  await clock.advance(3_600_000)
  stop()
  expect(failures).toBe(2)
  expect(asked).toHaveLength(2)
  expect(lines[0]).toMatchObject({ level: 40, error: 'the store is away' })
})
