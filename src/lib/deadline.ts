import type { Clock } from './clock.ts'

/** Resolves when the work has ended, however it did, or after `ms`. */
export async function within(clock: Clock, work: Promise<unknown>, ms: number): Promise<void> {
  const over = new AbortController()
  await Promise.race([work.catch(() => {}), clock.sleep(ms, over.signal)])
  over.abort()
}
