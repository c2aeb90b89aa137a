import type { ApiDeps } from '../../src/api/deps.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { NOW, openHarness } from '../api/harness.ts'
import { browserOf } from './browser.ts'

/** The API and its console on a clock that a test moves. */
export async function createRig(own: Partial<ApiDeps> = {}) {
  let now = NOW
  const clock = { ...systemClock(), now: () => now }
  const api = await openHarness({ clock, ...own })
  return {
    api,
    browser: (from?: string) => browserOf(api, from),
    advance: (ms: number) => {
      now += ms
    },
    close: () => api.close(),
  }
}
