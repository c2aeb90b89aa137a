import { describe, expect, test } from 'vitest'
import { type Assignment, assignment, type Member } from '../../../src/event-log/kafka/rebalance.ts'
import { createMutex } from '../../../src/lib/mutex.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { memoryLog } from '../../helpers/kafka/log.ts'
import { memoryClock } from '../../helpers/memory-clock.ts'

/** Partition 0 with 100 events that are taken in, held by a member whose commits are noted with their times. */
async function held(options: { commit?: () => Promise<void>; revoked?: () => Promise<void> } = {}) {
  const clock = memoryClock()
  const commits: { offset: number | undefined; at: number }[] = []
  const member: Member = {
    pause: () => {},
    resume: () => {},
    resumeAt: () => {},
    async commit(offsets) {
      commits.push({ offset: offsets.get(0)?.offset, at: clock.monotonic() })
      await options.commit?.()
    },
    starts: async () => new Map([[0, { next: 0, expected: null, misfit: null }]]),
    bounds: async () => new Map([[0, { low: 0, high: 100 }]]),
  }
  const partitions: Assignment = assignment({
    partitions: [0],
    consumer: {
      group: 'test',
      onBatch: async () => {},
      assigned: async () => {},
      revoked: async () => options.revoked?.(),
    },
    member,
    order: createMutex(),
    misfits: () => {},
    clock,
    log: memoryLog().log,
  })
  await clock.flush()
  partitions.reader(0)?.take(
    eventsOf('o', 100).map((event, position) => ({ position, event })),
    99,
  )
  await clock.flush()
  return { clock, commits, partitions }
}

describe('offsets of an assignment', () => {
  test('are committed within 200 ms of becoming committable, so a crash repeats little', async () => {
    const { clock, commits, partitions } = await held()
    const begin = clock.monotonic()
    for (let position = 0; position < 50; position++) {
      partitions.committable(0, position)
      await clock.advance(20)
    }
    const settledAt = (offset = 0) => begin + (offset - 1) * 20
    expect(commits.length).toBeGreaterThanOrEqual(5)
    for (const [index, { at }] of commits.entries()) {
      const before = commits[index - 1]?.offset ?? 0
      expect(at - settledAt(before + 1)).toBeLessThan(200)
    }
  })

  test('that become committable while a commit is under way follow with the next one, and none is committed twice', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, commits, partitions } = await held({ commit: () => gate.promise })
    partitions.committable(0, 9)
    await clock.advance(200)
    partitions.committable(0, 19)
    await clock.advance(200)
    expect(commits.map(({ offset }) => offset)).toEqual([10])
    gate.resolve()
    await clock.advance(1_000)
    expect(commits.map(({ offset }) => offset)).toEqual([10, 20])
  })

  test('are committed at a release although the next regular commit is not due', async () => {
    const { clock, commits, partitions } = await held()
    partitions.committable(0, 29)
    await Promise.all([partitions.release({ commit: true, revoke: true }), clock.flush()])
    expect(commits.map(({ offset }) => offset)).toEqual([30])
    partitions.committable(0, 39)
    await clock.advance(1_000)
    expect(commits).toHaveLength(1)
  })
})
