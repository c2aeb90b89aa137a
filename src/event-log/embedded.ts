import { createBackOff } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createKeyedMutex } from '../lib/keyed-mutex.ts'
import { createPageSize } from '../lib/page-size.ts'
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
  /** Epoch of the lease under which this process reads, if there is one. Commits under an earlier epoch do not count. */
  epoch?: () => number
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
        // The lease of the process, or the mutex, decides who reads.
        holds: async () => null,
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

interface Reader extends Omit<Consumption, 'holds'> {
  wake(): void
  health(): string | null
  notice(): string | null
}

function createReader(deps: {
  store: Store
  clock: Clock
  log?: Log
  epoch?: () => number
  consumer: LogConsumer
  /** Resolves when no other reader of the group reads. Returns the release. */
  lock: () => Promise<() => void>
}): Reader {
  const { store, clock, log, consumer } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  let epoch = 0
  const openCommits = () =>
    createOffsetCommits({
      clock,
      write: (position, ahead) => store.offsets.set(consumer.group, PARTITION, position, epoch, ahead),
    })
  let commits = openCommits()
  let trouble: string | null = null
  let wentBack: { readonly text: string; readonly at: number } | null = null
  /** Position of the last event taken in; null: not reading yet. */
  let taken: number | null = null
  let awake = false
  let wakeUp = () => {}

  /** Waits for an append, the idle time, or the stop. */
  const idle = async () => {
    if (awake) return
    const nap = new AbortController()
    wakeUp = () => nap.abort()
    await clock.sleep(IDLE_MS, AbortSignal.any([signal, nap.signal]))
  }

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
      consumer.assigned([PARTITION], epoch, new Map(ahead ? [[PARTITION, ahead]] : [])),
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
    epoch = deps.epoch?.() ?? 0
    const claim = () => store.offsets.claim(consumer.group, PARTITION, epoch)
    let position = await persistently('take its position over', claim)
    if (position === null) return
    // After the takeover nobody else writes it.
    const before = await persistently('read what is done', async () => ({
      ahead: decodeAhead(await store.offsets.ahead(consumer.group, PARTITION)),
    }))
    if (before === null) return
    const wasSetBack = position > 0 && (await setBack())
    if (wasSetBack) position = 0
    await assign(wasSetBack ? null : before.ahead)
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
        const end = after > 0 ? await persistently('see its end', () => store.events.last()) : after
        if (end !== null && end < after && (await isBeyond(after))) {
          await begin()
          position = 0
          taken = 0
          continue
        }
        await idle()
        continue
      }
      const entries = events.map((event): LogEntry => ({ position: event.n, event }))
      // A consumer that is busy with a batch must not delay the stop.
      await persistently('hand events over', () => Promise.race([consumer.onBatch(PARTITION, entries), stopped]))
      position = last.n
      taken = position
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
    wake: () => {
      awake = true
      wakeUp()
    },
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
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
