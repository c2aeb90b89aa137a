/**
 * The time of a simulated world. It stands still while anything can go on without it, and then jumps to the next thing that is due,
 * so that hours take milliseconds and the same seed always gives the same order of things.
 */
export interface Time {
  /** Milliseconds since the world began. */
  readonly now: number
  /** Runs once after `ms`; returns its cancellation. */
  after(ms: number, run: () => void): () => void
  sleep(ms: number): Promise<void>
  /** Work outside of the world's time (a database call) is under way; the world waits for it. */
  working<T>(work: Promise<T>): Promise<T>
  /** Lets time pass until the condition holds; false: it did not within `ms`. The condition is asked every `every` milliseconds. */
  until(condition: () => boolean | Promise<boolean>, ms: number, every?: number): Promise<boolean>
  run(ms: number): Promise<void>
  /** Things that have happened so far. */
  readonly steps: number
}

interface Timer {
  readonly at: number
  readonly n: number
  run: (() => void) | null
}

export function createTime(): Time {
  let now = 0
  let n = 0
  let steps = 0
  let busy = 0
  const heap: Timer[] = []

  const before = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.n < b.n)

  function push(timer: Timer): void {
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (!above || !before(timer, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = timer
  }

  function pop(): Timer | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!last || !first || heap.length === 0) return first
    let at = 0
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
      if (!left) break
      const [child, index] = right && before(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (!before(child, last)) break
      heap[at] = child
      at = index
    }
    heap[at] = last
    return first
  }

  const turn = () => new Promise<void>(resolve => setImmediate(resolve))
  async function settle(): Promise<void> {
    do await turn()
    while (busy > 0)
  }

  /** The next thing that is due no later than `limit`. */
  async function step(limit: number): Promise<boolean> {
    for (;;) {
      const next = heap[0]
      if (!next || next.at > limit) return false
      pop()
      if (!next.run) continue
      now = next.at
      steps++
      next.run()
      await settle()
      return true
    }
  }

  const after = (ms: number, run: () => void): (() => void) => {
    const timer: Timer = { at: now + Math.max(0, Math.round(ms * 1000) / 1000 || 0), n: n++, run }
    push(timer)
    return () => {
      timer.run = null
    }
  }

  async function run(ms: number): Promise<void> {
    const limit = now + ms
    await settle()
    while (await step(limit));
    now = limit
  }

  return {
    get now() {
      return now
    },
    get steps() {
      return steps
    },
    after,
    sleep: ms => new Promise(resolve => after(ms, resolve)),
    async working(work) {
      busy++
      try {
        return await work
      } finally {
        busy--
      }
    },
    run,
    async until(condition, ms, every = 5_000) {
      const limit = now + ms
      for (;;) {
        if (await condition()) return true
        if (now >= limit) return false
        await run(Math.min(every, limit - now))
      }
    },
  }
}
