import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { type FeedScript, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid, parcel } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { gists, history, memoryLog, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

describe('publishing', () => {
  test('happens in order, and begins with what a dead process left', async () => {
    const { log: eventLog, appended } = memoryLog()
    const rows = ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid(), packages: [parcel('p-1')] }))
    const { ingest } = await scene({ script: { rows }, eventLog })
    await ingest.poll('shop', { signal })
    expect(appended).toEqual((await history()).map(({ id }) => id))
    expect(await store.events.unpublished('shop', 10)).toEqual([])
  })

  test('waits for a log that cannot be reached while polling goes on, and catches up in order', async () => {
    const memory = memoryLog()
    memory.control.refuses = true
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
    const { ingest } = await scene({ script, eventLog: memory.log })
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the first is stored', async () => (await gists()).length === 1)
    script.rows = script.rows.map(row => ({ ...row, packages: [parcel('p-1')] }))
    await until('the second is stored', async () => (await gists()).length === 2)
    expect(memory.appended).toEqual([])
    memory.control.refuses = false
    await until('both are published', () => memory.appended.length === 2)
    stop.abort()
    await running
    expect(memory.appended).toEqual((await history()).map(({ id }) => id))
  })
})

test('the events of the first pages of a failing poll are published', async () => {
  const memory = memoryLog()
  const script: FeedScript = {
    rows: ordersUpdatedAt([1, 2, 3]).map(row => ({ ...row, paid: paid() })),
    before: ({ page }) => {
      if (page === 2) throw new AppError('The vendor answered 500.', { code: 'vendor.failed', intent: 'retry' })
      return undefined
    },
  }
  const { ingest } = await scene({ script, eventLog: memory.log })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('the first page is published', () => memory.appended.length === 2)
  stop.abort()
  await running
  expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00'])
})
