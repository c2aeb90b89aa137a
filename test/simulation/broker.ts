import { AppError } from '../../src/errors.ts'
import {
  type Consumption,
  type EventLog,
  type LogConsumer,
  PartlyRefused,
  type Refusal,
  TOO_LARGE,
} from '../../src/event-log/event-log.ts'
import { keyHash } from '../../src/event-log/partition.ts'
import { createMutex } from '../../src/ingest/mutex.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Life } from './life.ts'
import { call, delay, type PortDeps, type Weather } from './port.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

const SESSION_MS = 20_000
const COMMIT_EVERY_MS = 300
/** Of so many records one is refused where some are. */
const UNFIT_OF = 4

/** Kafka as the event log's users meet it: partitions, a group that is rebalanced eagerly, positions committed by generation. */
export interface Broker {
  readonly partitions: number
  /** The event log as one process sees it. */
  connect(port: PortDeps): EventLog
  rebalance(): void
  /** For a while a partition takes nothing, or some records are refused for good (`large`: for their size). */
  refuse(ms: number): void
  /** The group takes a member for dead that lives, which finds out a little later. Returns whose it is. */
  lose(): Life | null
  /** Everything is committed, nobody moves. */
  quiet(): boolean
  /** Entries of a partition, committed or not. */
  entries(partition: number): readonly EventRecord[]
}

interface Member {
  readonly life: Life
  readonly consumer: LogConsumer
  generation: number
  held: Map<number, { next: number; handed: number; taken: number; settled: number }>
  told: readonly number[]
  /** The consumer's callbacks run one after the other. */
  readonly order: <T>(callback: () => Promise<T>) => Promise<T>
  draining: boolean
  left: boolean
}

export function createBroker(deps: {
  partitions: number
  /** Entries handed over at a time, at most. */
  batch: number
  time: Time
  random: Random
  trace: Trace
  weather: Weather
  /** Before a position becomes durable. */
  committing: (partition: number, entries: readonly EventRecord[], from: number, to: number) => void
}): Broker {
  const { time, random, trace, weather } = deps
  const logs: EventRecord[][] = Array.from({ length: deps.partitions }, () => [])
  const committed: number[] = logs.map(() => -1)
  let members: Member[] = []
  const waiting = new Set<() => void>()
  let generation = 0
  let moving = false
  let again = false
  /** Partitions, and orders by the hash of their key, that take nothing at present. */
  const refusing = new Set<number>()
  const unfit = new Map<number, 'kafka.record' | typeof TOO_LARGE>()

  const partitionOf = (key: string) => keyHash(key) % deps.partitions
  const way = () => delay(random, weather)

  // ── the group ──

  async function rebalance(): Promise<void> {
    if (moving) {
      again = true
      return
    }
    moving = true
    do {
      again = false
      await Promise.all(members.map(giveUp))
      members = members.filter(member => !member.left)
      generation++
      const order = [...members].sort(() => random.next() - 0.5)
      const dealt = new Map<Member, number[]>(order.map(member => [member, []]))
      for (const partition of logs.keys()) {
        const member = order[partition % Math.max(order.length, 1)]
        if (member) dealt.get(member)?.push(partition)
      }
      trace.note(`group ${generation}: ${[...dealt].map(([{ life }, list]) => `${life.name}=${list}`).join(' ')}`)
      for (const [member, list] of dealt) take(member, list, generation)
    } while (again)
    moving = false
  }

  /** Resolves when the member has given its partitions up, or is out of the group. */
  function giveUp(member: Member): Promise<void> {
    if (member.left) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = time.after(SESSION_MS, () => {
        evict(member)
        resolve()
      })
      member.life.run(async () => {
        await revoke(member, true)
        cancel()
        resolve()
      })
    })
  }

  async function revoke(member: Member, commitLast: boolean): Promise<void> {
    member.draining = true
    const revoked = member.order(async () => {
      const { told } = member
      member.told = []
      if (told.length > 0) await member.consumer.revoked(told)
    })
    const over = new AbortController()
    await Promise.race([revoked, member.life.clock.sleep(10_000, over.signal)])
    over.abort()
    if (commitLast) await commit(member)
    member.held = new Map()
    member.draining = false
  }

  function evict(member: Member): void {
    if (member.left) return
    trace.note(`group evicts ${member.life.name}`)
    member.left = true
    members = members.filter(one => one !== member)
  }

  function take(member: Member, partitions: readonly number[], given: number): void {
    member.life.run(async () => {
      if (member.left) return
      member.generation = given
      member.held = new Map()
      const mine = member.held
      const holds = () => member.held === mine && !member.draining
      await member.order(async () => {
        while (partitions.length > 0 && holds()) {
          member.told = partitions
          const told = await member.consumer.assigned(partitions, null).then(
            () => true,
            () => false,
          )
          if (told) break
          await member.life.clock.sleep(100)
        }
      })
      await arrival(member.life)
      if (member.held !== mine || member.draining) return
      for (const partition of partitions) {
        const next = (committed[partition] ?? -1) + 1
        mine.set(partition, { next, handed: next - 1, taken: next - 1, settled: next - 1 })
        void feed(member, partition)
      }
    })
  }

  const arrival = (life: Life): Promise<void> => new Promise(resolve => time.after(way(), () => life.run(resolve)))

  /** An append, or a while without one. */
  const something = (life: Life): Promise<void> =>
    new Promise(resolve => {
      const go = () => {
        cancel()
        waiting.delete(go)
        life.run(resolve)
      }
      const cancel = time.after(5_000, go)
      waiting.add(go)
    })

  async function feed(member: Member, partition: number): Promise<void> {
    const mine = member.held
    const place = mine.get(partition)
    const holds = () => member.held === mine && !member.draining
    while (place && holds()) {
      const entries = (logs[partition] ?? [])
        .slice(place.next, place.next + random.between(1, deps.batch))
        .map((event, index) => ({ position: place.next + index, event }))
      if (entries.length === 0) {
        await something(member.life)
        continue
      }
      await arrival(member.life)
      if (!holds()) return
      place.handed = place.next + entries.length - 1
      place.next = place.handed + 1
      for (let taken = false; !taken && holds(); ) {
        taken = await member.consumer.onBatch(partition, entries).then(
          () => true,
          () => false,
        )
        if (!taken) await member.life.clock.sleep(100)
      }
      place.taken = place.handed
    }
  }

  async function commit(member: Member): Promise<void> {
    const positions = [...member.held]
      .map(([partition, { settled }]) => [partition, settled] as const)
      .filter(([partition, settled]) => settled > (committed[partition] ?? -1))
    if (positions.length === 0) return
    const { generation: given, life } = member
    await time.sleep(way())
    if (member.left || member.generation !== given || random.chance(weather.lost)) return
    for (const [partition, position] of positions) {
      const from = (committed[partition] ?? -1) + 1
      if (position < from) continue
      deps.committing(partition, logs[partition] ?? [], from, position)
      committed[partition] = position
      trace.note(`${life.name} log commits ${partition}:${position}`)
    }
  }

  // ── one process ──

  function join(life: Life, consumer: LogConsumer): Consumption {
    const order = createMutex()
    let member: Member = enter()
    let stopped = false

    function enter(): Member {
      const entered: Member = {
        order,
        life,
        consumer,
        generation: 0,
        held: new Map(),
        told: [],
        draining: false,
        left: false,
      }
      members.push(entered)
      void rebalance()
      return entered
    }
    life.onChange(() => {
      const mine = member
      if (stopped || mine.left) return
      if (life.state === 'running') return
      time.after(SESSION_MS, () => {
        if (mine.left || life.state === 'running') return
        evict(mine)
        void rebalance()
      })
    })
    /** Finds out by its heartbeats that it is out of the group, and joins again. */
    const beat = async () => {
      while (!stopped) {
        await life.clock.sleep(3_000)
        if (stopped || !member.left) continue
        await revoke(member, false)
        member = enter()
      }
    }
    const commits = async () => {
      while (!stopped) {
        await life.clock.sleep(COMMIT_EVERY_MS)
        if (!stopped && !member.draining && !member.left) await commit(member)
      }
    }
    life.run(() => {
      void beat()
      void commits()
    })
    return {
      settle(partition, position) {
        const place = member.held.get(partition)
        if (place && position <= place.handed) place.settled = Math.max(place.settled, position)
      },
      async caughtUp(partitions) {
        const mine = member.held
        const ours = () => member.held === mine && !member.draining && partitions.every(one => mine.has(one))
        if (!ours()) return false
        await arrival(life)
        if (random.chance(weather.lost))
          throw new AppError('the ends of the log were not told', { code: 'kafka.unavailable', intent: 'retry' })
        const ends = partitions.map(partition => (logs[partition]?.length ?? 0) - 1)
        const behind = () =>
          partitions.some((partition, index) => (mine.get(partition)?.taken ?? -1) < (ends[index] ?? 0))
        while (ours() && behind()) await life.clock.sleep(50)
        return ours()
      },
      async holds(partitions) {
        await arrival(life)
        const mine = !moving && !member.left && member.generation === generation
        const answer = mine && partitions.every(one => member.told.includes(one))
        await arrival(life)
        return answer
      },
      async stop() {
        stopped = true
        member.draining = true
        await commit(member)
        member.left = true
        members = members.filter(one => one !== member)
        void rebalance()
      },
    }
  }

  /** Each partition's part of a batch is written on its own, and each may come to be written although the answer is lost. */
  async function append(events: readonly EventRecord[]): Promise<void> {
    const parts = Map.groupBy(events, event => partitionOf(event.orderKey))
    const refusals: Refusal[] = []
    const written = await Promise.all(
      [...parts].map(async ([partition, part]) => {
        await time.sleep(random.between(0, 5))
        if (random.chance(weather.lost)) return false
        const refused = refusalsOf(partition, part)
        refusals.push(...refused)
        const not = new Set(refused.map(({ event }) => event))
        logs[partition]?.push(...part.filter(event => !not.has(event)))
        for (const go of [...waiting]) go()
        return true
      }),
    )
    if (written.includes(false))
      throw new AppError('a part of the batch was not written', { code: 'kafka.unavailable', intent: 'retry' })
    if (refusals.length > 0) throw new PartlyRefused(refusals)
  }

  /** A refused record is some event of an order, and keeps back what is behind it in the same batch. */
  function refusalsOf(partition: number, part: readonly EventRecord[]): Refusal[] {
    if (refusing.has(partition)) {
      const error = new AppError('the partition has too few replicas', { code: 'kafka.busy', intent: 'retry' })
      return part.map(event => ({ event, error, partition }))
    }
    const behind = new Map<string, AppError>()
    return part.flatMap(event => {
      const code = unfit.get(keyHash(event.id) % UNFIT_OF)
      // Without its lines an event is small enough.
      const unfits = code !== undefined && (code !== TOO_LARGE || event.body.includes('"lines":[{'))
      if (unfits && !behind.has(event.orderKey))
        behind.set(event.orderKey, new AppError('the record is refused', { code, intent: 'fix' }))
      const error = behind.get(event.orderKey)
      return error ? [{ event, error, partition: null }] : []
    })
  }

  function refuse(ms: number): void {
    const end = (stop: () => void) => time.after(ms, stop)
    const partition = random.between(0, deps.partitions - 1)
    const record = random.between(0, UNFIT_OF - 1)
    if (random.chance(0.5)) {
      trace.note(`partition ${partition} takes nothing`)
      refusing.add(partition)
      end(() => refusing.delete(partition))
    } else {
      const code = random.pick(['kafka.record', TOO_LARGE] as const)
      trace.note(`records ${record} of ${UNFIT_OF} are refused: ${code}`)
      unfit.set(record, code)
      end(() => unfit.delete(record))
    }
  }

  return {
    partitions: deps.partitions,
    entries: partition => logs[partition] ?? [],
    rebalance: () => void rebalance(),
    refuse,
    lose() {
      const member = members[random.between(0, members.length - 1)]
      if (!member) return null
      evict(member)
      void rebalance()
      return member.life
    },
    quiet: () => !moving && logs.every((log, partition) => committed[partition] === log.length - 1),
    connect: port => ({
      kind: 'kafka',
      partitions: deps.partitions,
      partitionOf,
      append: events =>
        call(
          { ...port, weather, inWorld: true },
          'append',
          events.map(({ id }) => id),
          () => append(events),
        ),
      consume: async consumer => join(port.life, consumer),
      health: () => null,
      check: async () => 'simulated',
      close: async () => {},
    }),
  }
}
