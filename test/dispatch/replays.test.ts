import { expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import { createAssignment } from '../../src/dispatch/assignment.ts'
import type { Destination } from '../../src/dispatch/destination.ts'
import { createFencedWrites } from '../../src/dispatch/fenced-writes.ts'
import { createPersist } from '../../src/dispatch/persist.ts'
import { createReplays } from '../../src/dispatch/replays.ts'
import type { Store } from '../../src/store/store.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { type MemoryClock, memoryClock } from '../helpers/memory-clock.ts'
import { type MemoryEventLog, memoryEventLog } from '../helpers/memory-event-log.ts'
import { type MemoryStore, memoryStore } from '../helpers/memory-store.ts'
import { outcome, silent } from './rig.ts'

/** What the replays to one endpoint need, with one partition that is ours. */
async function partsOf(clock: MemoryClock, eventLog: MemoryEventLog, { leases }: Pick<MemoryStore, 'leases'>) {
  const stopping = new AbortController()
  const takeOver = (partition: number) => leases.takeOver(`partition/test/${partition}`, 'test')
  const persist = createPersist({ clock, log: silent, signal: stopping.signal })
  const destination: Destination = {
    id: 'hook',
    kind: 'endpoint',
    state: 'active',
    types: null,
    connections: null,
    delivery: DEFAULT_DELIVERY,
    deliver: async () => outcome('delivered'),
  }
  const common = { eventLog, persist, clock, log: silent }
  return {
    stop: () => stopping.abort(),
    parts: {
      ...common,
      destination: () => destination,
      assignments: new Map([[0, createAssignment(0, await takeOver(0), () => {})]]),
      fenced: createFencedWrites({ ...common, holds: async () => true, takeOver }),
      spill: async () => true,
      changed: () => {},
    },
  }
}

test('a replay whose partition is being revoked waits before it tries again, so that other work can run', async () => {
  const clock = memoryClock()
  const eventLog = memoryEventLog({ partitions: 1 })
  const store = memoryStore({ partitionOf: eventLog.partitionOf })
  const { parts, stop } = await partsOf(clock, eventLog, store)
  let asked = 0
  const past = createReplays({
    ...parts,
    store,
    // The log knows already that we have no part in it any more; nobody has told us.
    caughtUp: async () => {
      asked++
      if (asked > 100) throw new Error('asked without a pause')
      return false
    },
  })
  store.ask('hook', {})
  past.configure(await store.replays.pending())
  await clock.advance(2_000)
  expect(asked).toBeGreaterThan(1)
  expect(asked).toBeLessThan(10)
  past.stop()
  stop()
})

test.each([
  ['is not part of a replay and does not delay it or a new endpoint', [], [1]],
  // Its first events were in the log: they are published again, or a broker wrote them without saying so.
  ['is part of a replay where a later one waits at the destination already', [3], [1, 2]],
  ['is part of a replay where a later one waits behind an old one', [1, 3], [1, 2]],
] as const)('an event that the log refuses %s', async (_, waiting, expected) => {
  const clock = memoryClock()
  const eventLog = memoryEventLog({ partitions: 1, embedded: false })
  const memory = memoryStore({ partitionOf: eventLog.partitionOf })
  const replayed: string[] = []
  const store: Pick<Store, 'lanes' | 'replays'> = {
    replays: {
      ...memory.replays,
      published: async () => false,
      unpublished: async () => new Map([['shop/refused', 2]]),
    },
    lanes: {
      ...memory.lanes,
      replay: async (_destination, _filter, _now, options) => {
        const history = [...eventsOf('refused', 3), ...eventsOf('other', 2)]
        replayed.push(...history.filter(event => options?.wants?.(event) ?? true).map(({ id }) => id))
        return replayed.length
      },
    },
  }
  const { parts, stop } = await partsOf(clock, eventLog, memory)
  const past = createReplays({
    ...parts,
    store,
    caughtUp: async () => true,
  })
  const refused = eventsOf('refused', 3)
  for (const one of refused) memory.events.set(one.id, one)
  const spills = refused.filter(({ sequence }) => waiting.some(each => each === sequence))
  await memory.lanes.spill(
    spills.map(event => ({ destination: 'hook', event, origin: 'live' as const })),
    { nextAt: 0, attempt: 0 },
  )
  memory.ask('hook', {})
  past.configure(await store.replays.pending())
  await clock.advance(5_000)
  expect(replayed).toEqual([])
  await clock.until(() => replayed.length > 0, 30_000)
  const chosen = refused.filter(({ sequence }) => expected.some(each => each === sequence))
  expect(replayed).toEqual([...chosen, ...eventsOf('other', 2)].map(({ id }) => id))
  past.stop()
  stop()
})
