import type { Clock } from '../../src/lib/clock.ts'
import type { Time } from './time.ts'

/** When the world begins, by everybody's clock. */
export const EPOCH = Date.parse('2026-03-01T00:00:00Z')

/**
 * One process, from its boot to its death. Everything that reaches it (timers, answers, messages) comes through `run`, so a dead
 * process does nothing any more and a stopped one does it when it goes on, all at once.
 */
export interface Life {
  readonly name: string
  /** By the world's time. */
  readonly bornAt: number
  readonly state: 'running' | 'frozen' | 'dead'
  readonly clock: Clock
  run(work: () => void): void
  freeze(): void
  thaw(): void
  die(): void
  /** Its wall clock is set; the monotonic one goes on. */
  jump(ms: number): void
  /** Told at once; deaths are told once, and freezes and thaws each time. */
  onChange(listener: () => void): void
}

export function createLife(name: string, time: Time, offset = 0): Life {
  let state: Life['state'] = 'running'
  let shift = offset
  let held: (() => void)[] = []
  const listeners: (() => void)[] = []
  const tell = () => {
    for (const listener of listeners) listener()
  }

  function run(work: () => void): void {
    if (state === 'frozen') held.push(work)
    else if (state === 'running') work()
  }

  const after = (ms: number, work: () => void) => {
    let cancelled = false
    const cancel = time.after(ms, () =>
      run(() => {
        if (!cancelled) work()
      }),
    )
    return () => {
      cancelled = true
      cancel()
    }
  }

  return {
    name,
    bornAt: time.now,
    get state() {
      return state
    },
    run,
    clock: {
      now: () => Math.floor(EPOCH + time.now + shift),
      monotonic: () => time.now,
      after,
      sleep: (ms, signal) =>
        new Promise(resolve => {
          if (signal?.aborted) return resolve()
          const stop = () => {
            cancel()
            resolve()
          }
          const cancel = after(ms, () => {
            signal?.removeEventListener('abort', stop)
            resolve()
          })
          signal?.addEventListener('abort', stop, { once: true })
        }),
    },
    freeze() {
      if (state !== 'running') return
      state = 'frozen'
      tell()
    },
    thaw() {
      if (state !== 'frozen') return
      state = 'running'
      const waiting = held
      held = []
      for (const work of waiting) time.after(0, () => run(work))
      tell()
    },
    die() {
      if (state === 'dead') return
      state = 'dead'
      held = []
      tell()
    },
    jump(ms) {
      shift += ms
    },
    onChange: listener => void listeners.push(listener),
  }
}
