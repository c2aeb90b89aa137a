import { expect, test } from 'vitest'
import { backfill } from '../../src/ingest/backfill.ts'
import { without } from '../../src/ingest/window.ts'
import { createWindowReader } from '../../src/ingest/window-reader.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { Window } from '../../src/sources/source.ts'
import type { QuarantinedSpan } from '../../src/store/port/quarantine.ts'
import { quietLog } from '../helpers/quiet.ts'
import { MINUTE_START, ordersUpdatedAt, scriptedFeed } from '../helpers/scripted-feed.ts'

const second = (n: number) => MINUTE_START + n * 1000
const window = (from: number, to: number): Window => ({ from: second(from), to: second(to) })

/** Gaps and quarantined spans in memory, over a shop whose lists fail when they hold this second. */
function scene(broken: number) {
  const rows = ordersUpdatedAt([10, broken, 50, 110, 120, 130])
  const { feed } = scriptedFeed({
    rows,
    pageSize: 10,
    before({ window: { from, to } }) {
      if (second(broken) >= from && second(broken) <= to)
        throw new AppError('GET /orders answered 500', { code: 'vendor.unavailable', intent: 'retry' })
      return undefined
    },
  })
  const [quarantined, read, gaps] = [[] as QuarantinedSpan[], new Set<string>(), { now: [] as readonly Window[] }]
  const reader = createWindowReader({
    ...{ connection: 'shop', feed, unnamed: null, log: quietLog },
    spans: {
      list: async () => quarantined,
      add: async (_, span, { message }) =>
        void quarantined.push({ ...span, connection: 'shop', at: 0, reason: message, tries: 0, nextAt: 0 }),
      due: async () => [],
      failed: async () => {},
      mended: async () => {},
    },
  })
  const { signal } = new AbortController()
  const turn = () =>
    backfill(
      {
        reader,
        lease: null,
        gaps: {
          list: async () => gaps.now,
          async replace(gap, by) {
            gaps.now = [...gaps.now.filter(one => one !== gap), ...by]
          },
        },
        take: async ({ orders }) => {
          for (const { orderId } of orders) read.add(orderId)
        },
      },
      { signal, priority: 'backfill' },
    )
  return { gaps, turn, quarantined, read }
}

test('a gap that cannot be read for one order is read around it, although newer gaps are read well before it each time', async () => {
  const { gaps, turn, quarantined, read } = scene(30)
  gaps.now = [window(0, 60)]
  await expect(turn()).rejects.toThrow('answered 500')
  gaps.now = [...gaps.now, window(100, 140)]
  await turn()
  expect(quarantined).toMatchObject([window(30, 30)])
  expect(gaps.now).toEqual([])
  expect([...read].sort()).toEqual(['o-1', 'o-3', 'o-4', 'o-5', 'o-6'])
  expect(without(window(0, 60), quarantined, 1_000)).toHaveLength(2)
})

test('a gap that failed once for a moment of the vendor is read whole', async () => {
  const { gaps, turn, quarantined } = scene(30)
  gaps.now = [window(0, 60)]
  await expect(turn()).rejects.toThrow('answered 500')
  gaps.now = [window(0, 20)]
  await turn()
  gaps.now = [window(20, 60)]
  await expect(turn()).rejects.toThrow('answered 500')
  expect(quarantined).toEqual([])
})
