import { createBackOff } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createKeyedMutex } from '../lib/keyed-mutex.ts'
import { createPageSize } from '../lib/page-size.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { type Ahead, decodeAhead } from './ahead.ts'
import type { Consumption, EventLog, LogConsumer, LogEntry } from './event-log.ts'
import { createOffsetCommits } from './offset-commits.ts'

const PARTITION = 0
const BATCH = 500
/** About how many characters of events are read at a time. */
const BATCH_SIZE = 4 * 1024 * 1024
/** `append` wakes the readers of this process. Events of other processes are found after this time. */
const IDLE_MS = 5_000
const LOOK_EVERY_MS = 20
const RETRY = { firstMs: 100, longestMs: 10_000 }
/** How long `notice` says that the history went back. */
const SHOWN_MS = 24 * 3_600_000

/**
 * The event log that is the store itself, with one partition; the position of an event is its `n`. The transaction of a page writes its
 * events, so `append` only wakes the readers. A group without an offset reads from the beginning of the history.
 */
export function createEmbeddedLog(deps: {
  store: Store
  clock: Clock
  log?: Log
  /** The lease under which this process reads; null: no other process can. */
  lease?: () => Lease | null
  /** False: the lease may have passed to another process. */
  fresh?: () => boolean
}): EventLog {
  const readers = new Set<Reader>()
  const mutex = createKeyedMutex()
  return {
    commitPublishes: true,
    ownsAllPartitions: true,
    partitions: 1,
    partitionOf: () => PARTITION,
    append: async () => {
      for (const reader of readers) reader.wake()
    },
    consume: async consumer => {
      const reader = createReader({ ...deps, consumer, lock: () => mutex(consumer.group) })
      readers.add(reader)
      return {
        committable: reader.committable,
        caughtUp: reader.caughtUp,
        holds: reader.holds,
        stop: async () => {
          await reader.stop()
          readers.delete(reader)
        },
      }
    },
    health: () => [...readers].map(reader => reader.health()).find(trouble => trouble !== null) ?? null,
    notice: () => [...readers].map(reader => reader.notice()).find(text => text !== null) ?? null,
    // `verify` compares the position with the history.
    contradiction: async () => null,
    check: () => deps.store.check(),
    close: async () => {
      await Promise.all([...readers].map(reader => reader.stop()))
      readers.clear()
    },
  }
}

interface Reader extends Consumption {
  wake(): void
  health(): string | null
  notice(): string | null
}

function createReader(deps: {
  store: Store
  clock: Clock
  log?: Log
  lease?: () => Lease | null
  fresh?: () => boolean
  consumer: LogConsumer
  /** Resolves when no other reader of the group reads. Returns the release. */
  lock: () => Promise<() => void>
}): Reader {
  const { store, clock, log, consumer } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  let reading = false
  let lease: Lease | null = null
  const openCommits = () =>
    createOffsetCommits({
      clock,
      write: (position, ahead) => store.offsets.set(consumer.group, PARTITION, position, lease, ahead),
    })
  let commits = openCommits()
  let trouble: string | null = null
  let wentBack: { readonly text: string; readonly at: number } | null = null
  /** Position of the last event taken in; null: not reading yet. */
  let taken: number | null = null
  /** Rung by each append. */
  const appended = createWakeUp(clock)

  /** Retries until it succeeds; null: the reader stopped. */
  const persistently = async <T>(what: string, run: () => Promise<T>): Promise<T | null> => {
    const backOff = createBackOff(RETRY)
    while (!signal.aborted) {
      try {
        const value = await run()
        trouble = null
        return value
      } catch (error) {
        trouble = `the event log cannot ${what}: ${messageOf(error)}`
        log?.warn({ group: consumer.group, error: messageOf(error) }, `event log: cannot ${what}, trying again`)
        await clock.sleep(backOff.next(), signal)
      }
    }
    return null
  }

  /** `ahead`: what is done beyond the position; null: not known. */
  const assign = (ahead: Ahead | null) =>
    persistently('give its partition to the consumer', () =>
      consumer.assigned([PARTITION], lease, new Map(ahead ? [[PARTITION, ahead]] : [])),
    )

  /** After a restore from a backup the history ends below our position. True: the position was set back to the beginning. */
  const setBack = async (): Promise<boolean> => {
    const was = await persistently('compare its position', () => store.offsets.rewind(consumer.group, PARTITION))
    if (was === null) return false
    const text =
      `The event log went back: the history ends below ${was}, which group "${consumer.group}" had read (it was restored). ` +
      'It is read again from its beginning; events that come again carry their known ids.'
    log?.warn({ group: consumer.group, was }, text)
    wentBack = { text, at: clock.now() }
    return true
  }

  /** A history emptied by retention has no end; then the last number ever given counts. */
  const isBeyond = async (position: number): Promise<boolean> => {
    const history = await persistently('see how far its history went', () => store.verify.history())
    return history !== null && position > Math.max(history.last, history.given)
  }

  /** Starts over, as if the partition had been revoked and assigned again. */
  const begin = async (): Promise<void> => {
    await persistently('take its partition from the consumer', () => consumer.revoked([PARTITION]))
    await commits.flush()
    commits = openCommits()
    await setBack()
    await assign(null)
  }

  const read = async () => {
    reading = true
    lease = deps.lease?.() ?? null
    // Under the lease nobody else writes either of them.
    const before = await persistently('read its position', async () => ({
      position: (await store.offsets.get(consumer.group, PARTITION)) ?? 0,
      ahead: decodeAhead(await store.offsets.ahead(consumer.group, PARTITION)),
    }))
    if (before === null) return
    let { position } = before
    const wasSetBack = position > 0 && (await setBack())
    if (wasSetBack) position = 0
    await assign(wasSetBack ? null : before.ahead)
    taken = position
    const size = createPageSize({ most: BATCH, bytes: BATCH_SIZE })
    while (!signal.aborted) {
      const after: number = position
      const { limit } = size
      const events = await persistently('read events', () => store.events.list({}, { limit, after }))
      if (signal.aborted || events === null) return
      size.seen(
        events.length,
        events.reduce((sum, { body }) => sum + body.length, 0),
      )
      const last = events.at(-1)
      if (!last) {
        const end = after > 0 ? await persistently('see its end', () => store.events.last()) : after
        if (end !== null && end < after && (await isBeyond(after))) {
          await begin()
          position = 0
          taken = 0
          continue
        }
        await appended.wait(signal, IDLE_MS)
        continue
      }
      const entries = events.map((event): LogEntry => ({ position: event.n, event }))
      // A consumer that is busy with a batch must not delay the stop.
      await persistently('hand events over', () => Promise.race([consumer.onBatch(PARTITION, entries), stopped]))
      position = last.n
      taken = position
      // A page that is not full was the last one. An append since it was read has rung.
      if (events.length < limit) await appended.wait(signal, IDLE_MS)
    }
  }

  const running = (async () => {
    const locked = deps.lock()
    await Promise.race([locked, stopped])
    if (!signal.aborted) await read()
    await commits.flush()
    // A reader that stopped while it waited releases the mutex when it gets it.
    void locked.then(release => release())
  })()

  return {
    wake: appended.wake,
    health: () => trouble ?? commits.health(),
    notice: () => (wentBack && clock.now() - wentBack.at < SHOWN_MS ? wentBack.text : null),
    committable: (_partition, position, ahead) => {
      if (!signal.aborted) commits.committable(position, ahead)
    },
    caughtUp: async () => {
      const end = await store.events.last()
      while (!signal.aborted && (taken === null || taken < end)) await clock.sleep(LOOK_EVERY_MS, signal)
      return !signal.aborted
    },
    // The mutex decides within this process, the lease between processes.
    holds: async () => reading && !signal.aborted && (deps.fresh?.() ?? true),
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
