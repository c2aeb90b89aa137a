import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'

/** What the pool needs to know of a session. */
export interface Session {
  /** Never rejects. */
  end(): Promise<void>
  /** As far as we know it can be used. */
  readonly alive: boolean
}

/** Keeps sessions for the next callers, each up to an age limit, so that it follows a failover behind a name or a proxy. */
export interface SessionPool<S extends Session> {
  /** An idle session; else a new one if there are fewer than `size`; else the next one given back. */
  take(): Promise<S>
  /** `unfit`: ends the session; the next caller gets a new one. */
  giveBack(session: S, unfit: boolean): void
  /** Ends every session opened before now as soon as it is idle: the reason that made one unfit concerns them all. */
  renew(): void
  /** Resolves when all sessions are given back and ended. */
  end(): Promise<void>
}

export interface PoolLimits {
  readonly size: number
  /** How long a caller waits for a session. */
  readonly waitMs: number
  readonly idleMs: number
  readonly ageMs: number
}

interface Held {
  readonly openedAt: number
  readonly generation: number
  idleSince: number
}

export function createSessionPool<S extends Session>(deps: {
  open: () => Promise<S>
  clock: Clock
  limits: PoolLimits
  place: string
}): SessionPool<S> {
  const { open, clock, limits } = deps
  const held = new Map<S, Held>()
  /** Last in, first out, so that sessions not needed grow old. */
  const idle: S[] = []
  const waiters: PromiseWithResolvers<S>[] = []
  let opening = 0
  let closing = 0
  let generation = 0
  let ending: PromiseWithResolvers<void> | null = null
  let cancelSweep: (() => void) | null = null

  const outdated = (session: S): boolean => {
    const facts = held.get(session)
    return (
      !facts || !session.alive || facts.generation !== generation || clock.monotonic() - facts.openedAt >= limits.ageMs
    )
  }

  function drop(session: S): void {
    held.delete(session)
    closing++
    void session.end().then(() => {
      closing--
      finished()
    })
  }

  function finished(): void {
    if (ending && held.size + opening + closing === 0) ending.resolve()
  }

  function dropIdle(unwanted: (session: S) => boolean): void {
    for (const session of idle.filter(unwanted)) {
      idle.splice(idle.indexOf(session), 1)
      drop(session)
    }
  }

  /** Gives idle or new sessions to waiting callers. */
  function serve(): void {
    while (waiters.length > 0) {
      const session = idle.pop()
      if (session && outdated(session)) drop(session)
      else if (session) waiters.shift()?.resolve(session)
      else if (opening < waiters.length && held.size + opening < limits.size) openOne()
      else return
    }
  }

  function openOne(): void {
    const began = generation
    opening++
    open().then(
      session => {
        opening--
        held.set(session, { openedAt: clock.monotonic(), generation: began, idleSince: clock.monotonic() })
        const waiter = ending ? undefined : waiters.shift()
        if (waiter) waiter.resolve(session)
        else giveBack(session, false)
      },
      error => {
        opening--
        waiters.shift()?.reject(error)
        serve()
        finished()
      },
    )
  }

  function giveBack(session: S, unfit: boolean): void {
    if (unfit || ending || outdated(session)) drop(session)
    else {
      const facts = held.get(session)
      if (facts) facts.idleSince = clock.monotonic()
      idle.push(session)
      cancelSweep ??= clock.after(limits.idleMs / 2, sweep)
    }
    serve()
  }

  function sweep(): void {
    cancelSweep = null
    const now = clock.monotonic()
    dropIdle(session => outdated(session) || now - (held.get(session)?.idleSince ?? 0) >= limits.idleMs)
    if (idle.length > 0) cancelSweep = clock.after(limits.idleMs / 2, sweep)
  }

  return {
    async take() {
      if (ending) throw new AppError('The store is closed.', { code: 'store.closed', intent: 'stop' })
      const waiter = Promise.withResolvers<S>()
      waiters.push(waiter)
      const cancel = clock.after(limits.waitMs, () => {
        const place = waiters.indexOf(waiter)
        if (place >= 0) waiters.splice(place, 1)
        waiter.reject(busy(deps.place, limits))
      })
      serve()
      try {
        return await waiter.promise
      } finally {
        cancel()
      }
    },
    giveBack,
    renew() {
      generation++
      dropIdle(() => true)
    },
    end() {
      if (!ending) {
        ending = Promise.withResolvers<void>()
        cancelSweep?.()
        for (const waiter of waiters.splice(0))
          waiter.reject(new AppError('The store is closed.', { code: 'store.closed', intent: 'stop' }))
        dropIdle(() => true)
        finished()
      }
      return ending.promise
    },
  }
}

const busy = (place: string, { size, waitMs }: PoolLimits) =>
  new AppError(
    `PostgreSQL at ${place} gave no session within ${waitMs / 1_000} s: all ${size} are busy, or it does not answer; ` +
      'look for slow statements and locks there, or raise DATABASE_POOL.',
    { code: 'store.unreachable', intent: 'retry' },
  )
