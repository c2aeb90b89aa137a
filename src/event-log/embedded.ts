import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { createPageSize } from '../lib/page-size.ts'
import type { Log } from '../observe.ts'
import type { Store } from '../store/store.ts'
import type { Consumption, EventLog, LogConsumer, LogEntry } from './event-log.ts'
import { createSettled } from './settled.ts'
import { createTurns } from './turns.ts'

const PARTITION = 0
const BATCH = 500
/** And about so many characters of events at a time. */
const BATCH_SIZE = 4 * 1024 * 1024
/** `append` wakes the readers; this only catches what another process put into the store. */
const IDLE_MS = 5_000
const LOOK_EVERY_MS = 20
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 10_000

/**
 * The event log that is the store itself: one partition, the position of an event is its `n`. Events are in the store before they are
 * appended (the page's transaction wrote them), so `append` only wakes the readers. A group reads from the beginning of the history
 * unless it has settled something.
 */
export function createEmbeddedLog(deps: {
  store: Store
  clock: Clock
  log?: Log
  /** Of the lease under which this process reads, where there is one: what is settled under an earlier one counts no more. */
  epoch?: () => number
}): EventLog {
  const readers = new Set<Reader>()
  const takeTurn = createTurns()
  return {
    kind: 'embedded',
    partitions: 1,
    partitionOf: () => PARTITION,
    append: async () => {
      for (const reader of readers) reader.wake()
    },
    consume: async consumer => {
      const reader = createReader({ ...deps, consumer, takeTurn: () => takeTurn(consumer.group) })
      readers.add(reader)
      return {
        settle: reader.settle,
        caughtUp: reader.caughtUp,
        // Who reads is settled outside: by the lease of the process, or by turns.
        holds: async () => null,
        stop: async () => {
          await reader.stop()
          readers.delete(reader)
        },
      }
    },
    health: () => [...readers].map(reader => reader.health()).find(trouble => trouble !== null) ?? null,
    check: () => deps.store.check(),
    close: async () => {
      await Promise.all([...readers].map(reader => reader.stop()))
      readers.clear()
    },
  }
}

interface Reader extends Omit<Consumption, 'holds'> {
  wake(): void
  health(): string | null
}

function createReader(deps: {
  store: Store
  clock: Clock
  log?: Log
  epoch?: () => number
  consumer: LogConsumer
  /** Resolves when no other reader of the group reads; gives back the turn. */
  takeTurn: () => Promise<() => void>
}): Reader {
  const { store, clock, log, consumer } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  const settled = createSettled({
    clock,
    write: position => store.offsets.set(consumer.group, PARTITION, position, epoch),
  })
  let epoch = 0
  let trouble: string | null = null
  /** The last event taken in; null: not reading yet. */
  let taken: number | null = null
  let awake = false
  let wakeUp = () => {}

  /** Until an append, the idle time, or the end. */
  const idle = async () => {
    if (awake) return
    const nap = new AbortController()
    wakeUp = () => nap.abort()
    await clock.sleep(IDLE_MS, AbortSignal.any([signal, nap.signal]))
  }

  /** Tries until it succeeds or the reader stops (then null). */
  const persistently = async <T>(what: string, run: () => Promise<T>): Promise<T | null> => {
    for (let pause = FIRST_RETRY_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
      try {
        const value = await run()
        trouble = null
        return value
      } catch (error) {
        trouble = `the event log cannot ${what}: ${messageOf(error)}`
        log?.warn({ group: consumer.group, error: messageOf(error) }, `event log: cannot ${what}, trying again`)
        await clock.sleep(pause, signal)
      }
    }
    return null
  }

  const read = async () => {
    epoch = deps.epoch?.() ?? 0
    const claim = () => store.offsets.claim(consumer.group, PARTITION, epoch)
    let position = await persistently('take its position over', claim)
    if (position === null) return
    await persistently('give its partition to the consumer', () => consumer.assigned([PARTITION], epoch))
    taken = position
    const size = createPageSize({ most: BATCH, bytes: BATCH_SIZE })
    while (!signal.aborted) {
      awake = false
      const after: number = position
      const events = await persistently('read events', () => store.events.list({}, { limit: size.limit, after }))
      if (signal.aborted || events === null) return
      size.seen(
        events.length,
        events.reduce((sum, { body }) => sum + body.length, 0),
      )
      const last = events.at(-1)
      if (!last) {
        await idle()
        continue
      }
      const entries = events.map(({ n, ...event }): LogEntry => ({ position: n, event }))
      // A consumer that is still busy with a batch must not keep us from stopping.
      await persistently('hand events over', () => Promise.race([consumer.onBatch(PARTITION, entries), stopped]))
      position = last.n
      taken = position
    }
  }

  const running = (async () => {
    const turn = deps.takeTurn()
    await Promise.race([turn, stopped])
    if (!signal.aborted) await read()
    await settled.flush()
    // One that never had its turn passes it on when it comes.
    void turn.then(giveBack => giveBack())
  })()

  return {
    wake: () => {
      awake = true
      wakeUp()
    },
    health: () => trouble ?? settled.health(),
    settle: (_partition, position) => {
      if (!signal.aborted) settled.settle(position)
    },
    caughtUp: async () => {
      const end = await store.events.last()
      while (!signal.aborted && (taken === null || taken < end)) await clock.sleep(LOOK_EVERY_MS, signal)
      return !signal.aborted
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
