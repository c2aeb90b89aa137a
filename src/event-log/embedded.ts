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
/** And about so many characters of events at a time. */
const BATCH_SIZE = 4 * 1024 * 1024
/** `append` wakes the readers; this only catches what another process put into the store. */
const IDLE_MS = 5_000
const LOOK_EVERY_MS = 20
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 10_000
/** How long `/readyz` shows that the history went back. */
const SHOWN_MS = 24 * 3_600_000

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
  const takeTurn = createKeyedMutex()
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
        committable: reader.committable,
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
  /** Resolves when no other reader of the group reads; gives back the turn. */
  takeTurn: () => Promise<() => void>
}): Reader {
  const { store, clock, log, consumer } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  let epoch = 0
  const openSettled = () =>
    createOffsetCommits({
      clock,
      write: (position, ahead) => store.offsets.set(consumer.group, PARTITION, position, epoch, ahead),
    })
  let settled = openSettled()
  let trouble: string | null = null
  let wentBack: { readonly text: string; readonly at: number } | null = null
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

  /** `ahead`: what was delivered beyond the position; null: nothing is known. */
  const assign = (ahead: Ahead | null) =>
    persistently('give its partition to the consumer', () =>
      consumer.assigned([PARTITION], epoch, new Map(ahead ? [[PARTITION, ahead]] : [])),
    )

  /** The history may have been restored from a backup, under us or before: then its next events are below the position. True: it was set back. */
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

  /** A history that retention has emptied ends nowhere; the last number given is the end then. */
  const isBeyond = async (position: number): Promise<boolean> => {
    const history = await persistently('see how far its history went', () => store.verify.history())
    return history !== null && position > Math.max(history.last, history.given)
  }

  /** As if the partition had been lost and given back. */
  const begin = async (): Promise<void> => {
    await persistently('take its partition from the consumer', () => consumer.revoked([PARTITION]))
    await settled.flush()
    settled = openSettled()
    await setBack()
    await assign(null)
  }

  const read = async () => {
    epoch = deps.epoch?.() ?? 0
    const claim = () => store.offsets.claim(consumer.group, PARTITION, epoch)
    let position = await persistently('take its position over', claim)
    if (position === null) return
    // After the claim nobody else writes it.
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
    notice: () => (wentBack && clock.now() - wentBack.at < SHOWN_MS ? wentBack.text : null),
    committable: (_partition, position, ahead) => {
      if (!signal.aborted) settled.committable(position, ahead)
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
