import type { Random } from '../../src/sandbox/random.ts'
import type { Process } from './process.ts'
import { createLife, type Life } from './session.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

/** The places processes run in: each holds one process at a time, which may die, be stopped, be frozen, and is started again. */
export interface Slots {
  readonly size: number
  at(slot: number): Process | null
  boot(slot: number): void
  crash(slot: number): void
  restart(slot: number): Promise<void>
  /** `ms`: for how long; else as it comes. */
  freeze(slot: number, ms?: number): void
  /** At its next call of this name, before it leaves or (`… done`) before its answer arrives, the process there dies or is frozen. */
  aim(slot: number, call: string, what: Mishap): void
  /** Somebody who could be asked to do something. */
  somebody(): Process | null
  running(): readonly Process[]
  /** What happens to a process at a call. */
  mishapOf(slot: number, life: Life): (call: string) => Mishap | 'none'
  /** No more mishaps at calls; whoever is down comes up. */
  calm(): void
  end(): void
}

export type Mishap = 'death' | 'freeze'

const DOWN_MS = [10, 500, 3_000, 20_000] as const
/** A lease is over after 15 s, and a session of the log's group after 6.5 s. */
const FROZEN_MS = [2_000, 8_000, 16_000, 24_000, 60_000] as const

export function createSlots(deps: {
  size: number
  time: Time
  trace: Trace
  dice: Random
  /** Decides about mishaps at calls. */
  deadly: Random
  mishapEvery: number
  /** Wall clocks of processes may differ by this much, milliseconds. */
  offset: () => number
  start: (slot: number, life: Life) => Process
  count: (what: string) => void
  crashed: () => void
}): Slots {
  const { size, time, trace, dice, deadly, mishapEvery, count } = deps
  const processes: (Process | null)[] = Array.from({ length: size }, () => null)
  const aims: ({ readonly call: string; readonly what: Mishap } | null)[] = processes.map(() => null)
  let storming = true
  let boots = 0

  function boot(slot: number): void {
    const life = createLife(`p${slot}.${++boots}`, time, deps.offset())
    trace.note(`boot ${life.name}`)
    count('boots')
    processes[slot] = deps.start(slot, life)
  }

  function crash(slot: number): void {
    const running = processes[slot]
    if (!running) return
    trace.note(`crash ${running.life.name}`)
    count('crashes')
    running.life.die()
    processes[slot] = null
    deps.crashed()
    time.after(storming ? dice.pick(DOWN_MS) : 10, () => processes[slot] === null && boot(slot))
  }

  function freeze(slot: number, ms: number = dice.pick(FROZEN_MS)): void {
    const life = processes[slot]?.life
    if (life?.state !== 'running') return
    count('freezes')
    trace.note(`freeze ${life.name}`)
    life.freeze()
    time.after(ms, () => {
      trace.note(`thaw ${life.name}`)
      life.thaw()
    })
  }

  async function restart(slot: number): Promise<void> {
    const running = processes[slot]
    if (running?.life.state !== 'running') return
    trace.note(`stop ${running.life.name}`)
    count('stops')
    running.stop()
    const over = time.after(20_000, () => processes[slot] === running && crash(slot))
    await running.ended
    over()
    if (processes[slot] !== running) return
    running.life.die()
    boot(slot)
  }

  function mishap(slot: number, call: string): Mishap | 'none' {
    const aim = aims[slot]
    if (aim?.call === call) {
      aims[slot] = null
      return aim.what
    }
    // Commits are few among the calls, and where it matters most.
    const odds = call.startsWith('store.orders.commit') ? 15 : 1
    return mishapEvery > 0 && deadly.next() <= odds / mishapEvery ? deadly.pick(['death', 'freeze'] as const) : 'none'
  }

  return {
    size,
    at: slot => processes[slot] ?? null,
    boot,
    crash,
    restart,
    freeze,
    aim(slot, call, what) {
      aims[slot] = { call, what }
    },
    somebody: () => processes.find(one => one?.life.state === 'running') ?? null,
    running: () => processes.filter(one => one !== null && one.life.state === 'running') as Process[],
    mishapOf: (slot, life) => call => {
      if (!storming || processes[slot]?.life !== life) return 'none'
      const what = mishap(slot, call)
      if (what === 'none') return what
      trace.note(`${life.name}: ${what} at ${call}`)
      count(`${what} at a call`)
      if (what === 'death') crash(slot)
      else freeze(slot)
      return what
    },
    calm() {
      storming = false
      for (const [slot, running] of processes.entries()) if (!running) boot(slot)
    },
    end() {
      for (const running of processes) running?.life.die()
    },
  }
}
