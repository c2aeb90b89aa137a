import type { Clock } from './clock.ts'

/**
 * Turns many small durable writes into few large ones: items added while a write runs, or within `collectMs`, go into the next write.
 * `write` gets the items in the order added and must not reject (see `persist.ts`); each `add` resolves with its result.
 */
export interface Batcher<T, R> {
  add(item: T): Promise<R>
  /** Resolves when no item waits. */
  idle(): Promise<void>
}

export function createBatcher<T, R>(deps: {
  clock: Clock
  collectMs: number
  write: (items: readonly T[]) => Promise<R>
}): Batcher<T, R> {
  let waiting: { item: T; resolve: (result: R) => void; reject: (error: unknown) => void }[] = []
  let running: Promise<void> | null = null

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      if (deps.collectMs > 0) await deps.clock.sleep(deps.collectMs)
      const batch = waiting
      waiting = []
      try {
        const result = await deps.write(batch.map(entry => entry.item))
        for (const entry of batch) entry.resolve(result)
      } catch (error) {
        for (const entry of batch) entry.reject(error)
      }
    }
    running = null
  }

  return {
    add: item =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        running ??= run()
      }),
    idle: async () => {
      while (running) await running
    },
  }
}
