import type { Clock } from './clock.ts'

const OVER = 'over'

/** Waits for the work, at most `ms`. True: the work ended in time, with success or not. */
export async function endsWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController()
  const ended = work.then(
    () => true,
    () => true,
  )
  const inTime = await Promise.race([ended, clock.sleep(ms, over.signal).then(() => false)])
  // With a reason of ours, because the default one is an error with a stack.
  over.abort(OVER)
  return inTime
}
