import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { until } from '../helpers/until.ts'
import { clock, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const POLL_EVERY_MS = 50

const down = () => {
  throw new AppError('The vendor answered 500.', { code: 'vendor.failed', intent: 'retry' })
}

const row = async () => {
  const found = await store.connections.get('shop')
  if (!found) throw new Error('there is no connection')
  return found
}

describe('polls on request', () => {
  test('that fail delay no automatic poll, and a successful one restores the usual pace', async () => {
    const script: FeedScript = { rows: [] }
    const { ingest, requests } = await scene({ script })
    let clicks = 1
    await ingest.poll('shop', { signal })
    const { nextPollAt } = await row()
    const ask = () => ingest.poll('shop', { signal })
    const click = async () => {
      clicks++
      await expect(ask()).rejects.toThrow('answered 500')
    }
    /** The next automatic poll is no later than those before it, and they alone, put it off. */
    const expectDue = async () => {
      const next = (await row()).nextPollAt
      const automatic = requests.length - clicks
      expect(next).toBeLessThanOrEqual(clock.now() + POLL_EVERY_MS * 2 ** Math.max(0, automatic - 1))
    }

    script.before = down
    for (let count = 0; count < 4; count++) await click()
    expect(await row()).toMatchObject({ nextPollAt, state: 'failing', lastError: 'The vendor answered 500.' })

    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the automatic poll has failed', async () => (await row()).nextPollAt !== nextPollAt)
    await expectDue()
    for (let count = 0; count < 4; count++) await click()
    await expectDue()

    delete script.before
    const asked = clock.now()
    await ask()
    const { state, nextPollAt: next } = await row()
    expect(state).toBe('ok')
    expect(next).toBeGreaterThanOrEqual(asked + POLL_EVERY_MS)
    expect(next).toBeLessThanOrEqual(clock.now() + POLL_EVERY_MS)
    stop.abort()
    await running
  })

  test('whose credentials are refused stop the connection once, and delay its next probe no further', async () => {
    const script: FeedScript = {
      rows: [],
      before: () => {
        throw new AppError('The vendor refused the token.', { code: 'vendor.unauthorized', intent: 'stop' })
      },
    }
    const { ingest } = await scene({ script })
    const ask = () => ingest.poll('shop', { signal })
    await expect(ask()).rejects.toThrow('refused the token')
    const { state, nextPollAt } = await row()
    expect(state).toBe('stopped')
    expect(nextPollAt).toBeGreaterThan(clock.now() + 14 * 60_000)
    clock.shift(60_000)
    await expect(ask()).rejects.toThrow('refused the token')
    expect(await row()).toMatchObject({ state: 'stopped', nextPollAt })
  })
})
