import { describe, expect, test, vi } from 'vitest'
import type { LogEntry } from '../../../src/event-log/event-log.ts'
import { partitionReader } from '../../../src/event-log/kafka/partition-reader.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { memoryLog } from '../../helpers/kafka/log.ts'

/** Entries at these positions, each of about `size` bytes. */
const entries = (positions: readonly number[], size = 100): LogEntry[] =>
  positions.map(position => ({ position, event: eventRecord({ sequence: position + 1, body: 'x'.repeat(size) }) }))

function reading(options: { next?: number; onBatch?: (entries: readonly LogEntry[]) => Promise<void> } = {}) {
  const taken: number[] = []
  const pause = vi.fn()
  const resume = vi.fn()
  const reader = partitionReader({
    partition: 4,
    start: { next: options.next ?? 0, expected: null, misfit: null },
    onBatch: async (_, batch) => {
      taken.push(...batch.map(({ position }) => position))
      await options.onBatch?.(batch)
    },
    pause,
    resume,
    clock: systemClock(),
    log: memoryLog().log,
  })
  return { reader, taken, pause, resume }
}

describe('one partition of a Kafka topic, as long as it is held', () => {
  test('fetching is paused above a megabyte in memory, and goes on once most of it is taken in', async () => {
    const gate = Promise.withResolvers<void>()
    const { reader, taken, pause, resume } = reading({ onBatch: () => gate.promise })
    reader.open()
    const half = 300 * 1024
    reader.take(entries([0, 1, 2], half), 2)
    expect(pause).not.toHaveBeenCalled()
    reader.take(entries([3, 4, 5], half), 5)
    expect(pause).toHaveBeenCalledTimes(1)
    reader.take(entries([6], half), 6)
    expect(pause).toHaveBeenCalledTimes(1)
    expect(resume).not.toHaveBeenCalled()
    gate.resolve()
    await vi.waitFor(() => expect(resume).toHaveBeenCalledTimes(1), { timeout: 60_000 })
    expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  test('nothing is handed out before it is opened or once it is given up', async () => {
    const { reader, taken } = reading()
    reader.take(entries([0, 1]), 1)
    expect(taken).toEqual([])
    reader.open()
    await vi.waitFor(() => expect(taken).toEqual([0, 1]), { timeout: 60_000 })
    reader.drain()
    reader.take(entries([2]), 2)
    reader.open()
    expect(taken).toEqual([0, 1])
    // Events handed out before may still become committable.
    expect(reader.committable(1)).toBe(true)
    expect(reader.uncommitted()).toBe(2)
  })

  test('only offsets that were handed out become committable, and never lower ones than before', async () => {
    const { reader, taken } = reading({ next: 10 })
    reader.open()
    reader.take(entries([10, 11, 12]), 12)
    await vi.waitFor(() => expect(taken).toHaveLength(3), { timeout: 60_000 })
    expect(reader.uncommitted()).toBeNull()
    expect(reader.committable(9)).toBe(false)
    expect(reader.committable(13)).toBe(false)
    expect(reader.committable(11)).toBe(true)
    expect(reader.committable(10)).toBe(true)
    expect(reader.uncommitted()).toBe(12)
    reader.committed(12)
    expect(reader.uncommitted()).toBeNull()
    expect(reader.committable(12)).toBe(true)
    expect(reader.uncommitted()).toBe(13)
  })

  test('foreign records are committed with the event before them, or at once if there is none', async () => {
    const { reader, taken } = reading()
    reader.open()
    reader.take([], 4)
    expect(reader.uncommitted()).toBe(5)
    reader.take(entries([5]), 8)
    await vi.waitFor(() => expect(taken).toEqual([5]), { timeout: 60_000 })
    expect(reader.uncommitted()).toBeNull()
    reader.committed(5)
    reader.committable(5)
    expect(reader.uncommitted()).toBe(9)
  })

  test('a batch that was refused is offered again before anything behind it', async () => {
    let refusals = 2
    const { reader, taken } = reading({
      onBatch: async () => {
        if (refusals-- > 0) throw new Error('the store is away')
      },
    })
    reader.open()
    reader.take(entries([0]), 0)
    reader.take(entries([1]), 1)
    await vi.waitFor(() => expect(taken).toEqual([0, 0, 0, 1]), { timeout: 60_000 })
  })
})
