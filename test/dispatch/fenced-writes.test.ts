import { expect, test } from 'vitest'
import { type Assignment, createAssignment } from '../../src/dispatch/assignment.ts'
import { createFencedWrites, type FencedWrite } from '../../src/dispatch/fenced-writes.ts'
import { createPersist } from '../../src/dispatch/persist.ts'
import { AppError } from '../../src/lib/errors.ts'
import { LEASE_LOST } from '../../src/store/port/leases.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { silent } from './rig.ts'

/** A store that knows the present epoch of each partition, and a log that says whose it is. */
function setting({ granted = false } = {}) {
  const clock = memoryClock()
  const stopping = new AbortController()
  const epochs = new Map<number, number>()
  const written: number[] = []
  const world = { ours: true as boolean | 'no answer', asked: 0, away: false, epochs, written, clock, stopping }
  const takeOver = async (partition: number) => {
    const epoch = (epochs.get(partition) ?? 0) + 1
    epochs.set(partition, epoch)
    return { name: `${partition}`, owner: 'us', epoch }
  }
  const persist = createPersist({ clock, log: silent, signal: stopping.signal })
  const fenced = createFencedWrites({
    eventLog: { ownsAllPartitions: granted },
    ...{ persist, clock, log: silent, takeOver },
    async holds() {
      world.asked++
      if (world.ours === 'no answer') throw new Error('the log does not answer')
      return world.ours
    },
  })
  const run: FencedWrite = async leases => {
    if (world.away) throw new Error('the store is away')
    for (const [{ partition }, { epoch }] of leases)
      if (epochs.get(partition) !== epoch)
        throw new AppError('The lease is lost.', { code: LEASE_LOST, intent: 'stop' })
    written.push(...[...leases.keys()].map(({ partition }) => partition))
  }
  return {
    ...{ world, fenced, clock },
    write: (...assignments: Assignment[]) => fenced.write('a test', assignments, run),
    assign: async (partition: number) => createAssignment(partition, await takeOver(partition), () => {}),
    /** Another process takes the lease. */
    lose: (partition: number) => void takeOver(partition),
  }
}

test('a write goes under all leases at once, and the log is asked once for each lease', async () => {
  const { world, write, assign } = setting()
  const [zero, one] = [await assign(0), await assign(1)]
  expect(await write(zero, one)).toEqual(new Set([zero, one]))
  expect(await write(zero, one)).toEqual(new Set([zero, one]))
  expect(world.written).toEqual([0, 1, 0, 1])
  expect(world.asked).toBe(2)
})

test('a lease does not count before the log says that the partition is ours', async () => {
  const { world, write, assign, clock } = setting()
  world.ours = 'no answer'
  const assignment = await assign(0)
  const writing = write(assignment)
  await clock.advance(5_000)
  expect(world.written).toEqual([])
  world.ours = true
  await clock.advance(1_000)
  expect(await writing).toEqual(new Set([assignment]))
})

test('a log that does not confirm the owner for long is the reason that health gives, until it does', async () => {
  const { world, fenced, write, assign, clock } = setting()
  world.ours = 'no answer'
  const assignment = await assign(3)
  const writing = write(assignment)
  await clock.advance(10_000)
  expect(fenced.health()).toBeNull()
  await clock.advance(10_000)
  expect(fenced.health()).toMatch(/partition 3 is ours.*the log does not answer$/)
  world.ours = false
  await clock.advance(1_000)
  expect(fenced.health()).toMatch(/it says that the partition is not ours$/)
  world.ours = true
  await clock.advance(1_000)
  await writing
  expect(fenced.health()).toBeNull()
})

test('an owner whose lease was taken by a late process takes it again, and asks the log after that once more', async () => {
  const { world, write, assign, lose } = setting()
  const assignment = await assign(0)
  await write(assignment)
  const asked = world.asked
  lose(0)
  expect(await write(assignment)).toEqual(new Set([assignment]))
  expect(assignment.lease.epoch).toBe(3)
  expect(world.asked).toBe(asked + 2)
})

test('a former owner writes nothing, waits until the log has decided, and is closed then; the others are written', async () => {
  const { world, write, assign, lose, clock } = setting()
  const [lost, kept] = [await assign(0), await assign(1)]
  await write(lost, kept)
  world.written.length = 0
  lose(0)
  world.ours = false
  const writing = write(lost, kept)
  await clock.advance(10_000)
  expect(lost.state).toBe('open')
  void lost.drain()
  await clock.advance(1_000)
  expect(await writing).toEqual(new Set([kept]))
  expect(lost.state).toBe('closed')
  expect(world.written).toEqual([1])
})

test('a lease that the log granted is not taken again: the partition is closed at once', async () => {
  const { world, write, assign, lose } = setting({ granted: true })
  const assignment = await assign(0)
  await write(assignment)
  lose(0)
  expect(await write(assignment)).toEqual(new Set())
  expect(assignment.state).toBe('closed')
  expect(world.asked).toBe(0)
})

test('after a write that was given up, nothing of the partition is written any more', async () => {
  const { world, write, assign, clock } = setting()
  const assignment = await assign(0)
  world.ours = false
  const [first, second] = [write(assignment), write(assignment)]
  void assignment.drain()
  await clock.advance(1_000)
  world.ours = true
  expect([await first, await second, await write(assignment)]).toEqual([new Set(), new Set(), new Set()])
  expect(world.written).toEqual([])
})

test('a write that the store does not take before the stop is given up', async () => {
  const { world, write, assign, clock } = setting({ granted: true })
  const [zero, one] = [await assign(0), await assign(1)]
  world.away = true
  const writing = write(zero, one)
  await clock.advance(1_000)
  world.stopping.abort()
  world.away = false
  await clock.advance(1_000)
  const written = await writing
  expect([zero, one].map(assignment => assignment.state === 'closed')).toEqual(
    [zero, one].map(one => !written.has(one)),
  )
})
