import { expect, test } from 'vitest'
import { createPair } from '../../src/process/pair.ts'
import type { Lease, LeaseStore } from '../../src/store/port/leases.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>(resolve =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  )

/** Two processes with one store. `work` is what both do while they hold the lease. */
function twoProcesses(work: (name: string, signal: AbortSignal) => Promise<void>) {
  const clock = memoryClock()
  let holder: Lease | null = null
  let epoch = 0
  const leases: Omit<LeaseStore, 'takeOver' | 'list'> = {
    async acquire(name, owner) {
      if (holder !== null && holder.owner !== owner) return null
      holder = { name, owner, epoch: ++epoch }
      return holder
    },
    renew: async lease => holder?.owner === lease.owner,
    async release() {
      holder = null
    },
  }
  const start = (owner: string) => {
    const pair = createPair({ leases, owner, clock, log: quietLog })
    const stopping = new AbortController()
    const ended = pair.run(signal => work(owner, signal), stopping.signal)
    return { pair, ended, stop: () => stopping.abort() }
  }
  return { clock, start }
}

test('of a pair one process works and the other stands by, until the first one stops', async () => {
  const working: string[] = []
  const { clock, start } = twoProcesses(async (name, signal) => {
    working.push(name)
    await untilAborted(signal)
  })
  const one = start('one')
  await clock.flush()
  const two = start('two')
  await clock.advance(20_000)
  expect(working).toEqual(['one'])
  expect([one.pair.standsBy(), two.pair.standsBy()]).toEqual([false, true])

  one.stop()
  await clock.advance(20_000)
  expect(working).toEqual(['one', 'two'])
  expect([one.pair.standsBy(), two.pair.standsBy()]).toEqual([true, false])
  expect(two.pair.lease()).toEqual({ name: 'process', owner: 'two', epoch: (one.pair.lease()?.epoch ?? 0) + 1 })
  expect([one.pair.isFresh(), two.pair.isFresh()]).toEqual([false, true])

  two.stop()
  await clock.advance(20_000)
  await Promise.all([one.ended, two.ended])
})

test('a process of a pair whose work fails ends with that error, and the other one takes over', async () => {
  const { clock, start } = twoProcesses((name, signal) =>
    name === 'one' ? Promise.reject(new Error('no more files')) : untilAborted(signal),
  )
  const one = start('one')
  const failed = expect(one.ended).rejects.toThrow('no more files')
  const two = start('two')
  await clock.advance(20_000)
  await failed
  expect(two.pair.standsBy()).toBe(false)
  two.stop()
  await clock.advance(20_000)
  await two.ended
})

test('a process without a pair never stands by, and what it holds is fresh', () => {
  const pair = createPair({ leases: {} as LeaseStore, owner: 'one', clock: memoryClock(), log: quietLog })
  expect([pair.standsBy(), pair.isFresh(), pair.lease()]).toEqual([false, true, null])
})
