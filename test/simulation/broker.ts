import type { Consumption, EventLog, LogConsumer } from '../../src/event-log/event-log.ts'
import { type Anchors, type Committed, createAnchors, startAt } from '../../src/event-log/kafka/position.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createMutex } from '../../src/lib/mutex.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Random } from '../../src/sandbox/random.ts'
import { call, delay, type PortDeps, type Weather } from './port.ts'
import type { Life } from './session.ts'
import type { Time } from './time.ts'
import { createTopic } from './topic.ts'
import type { Trace } from './trace.ts'

const SESSION_MS = 6_000
const REBALANCE_MS = 30_000
const COMMIT_EVERY_MS = 150

/** Kafka as the event log's users meet it: partitions, a group that is rebalanced eagerly, positions committed by generation. */
export interface Broker {
  readonly partitions: number
  /** The event log as one process sees it. */
  connect(port: PortDeps): EventLog
  rebalance(): void
  /** Where all of a partition is committed, its log may be made anew, or restored without its end. With or without the positions of the group. */
  goBack(): void
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
  held: Map<number, Place>
  told: readonly number[]
  /** The consumer's callbacks run one after the other. */
  readonly order: <T>(callback: () => Promise<T>) => Promise<T>
  draining: boolean
  left: boolean
}

/** How far a member is in one partition. */
interface Place {
  next: number
  handed: number
  taken: number
  settled: number
  /** What was read of this log. */
  readonly anchors: Anchors
  /** The position committed is of another log, and is to be replaced by this one. */
  replaces: boolean
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
  const topic = createTopic(deps)
  const { logs } = topic
  const committed: Committed[] = logs.map(() => NOTHING)
  let members: Member[] = []
  let generation = 0
  let moving = false
  let again = false

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
      let waited = 0
      // A process that runs sends heartbeats while it gives its partitions up.
      const session = () => {
        waited += SESSION_MS
        if (member.life.state === 'running' && waited < REBALANCE_MS) {
          cancel = time.after(SESSION_MS, session)
          return
        }
        evict(member)
        resolve()
      }
      let cancel = time.after(SESSION_MS, session)
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
        if (partitions.length === 0 || !holds()) return
        member.told = partitions
        await until(member, holds, () => member.consumer.assigned(partitions, null))
      })
      await arrival(member.life)
      if (member.held !== mine || member.draining) return
      for (const partition of partitions) begin(member, partition, committed[partition] ?? NOTHING)
    })
  }

  function begin(member: Member, partition: number, { offset, anchor }: Committed, again = false): void {
    const log = logs[partition] ?? []
    const start = startAt({ offset, anchor }, { low: 0, high: log.length })
    const { expected } = start
    const isOther = expected !== null && log[expected.offset]?.mark !== expected.mark
    const next = isOther ? 0 : start.next
    if (isOther || start.misfit) trace.note(`${member.life.name} reads ${partition} from ${next}: the log went back`)
    member.held.set(partition, {
      next,
      handed: next - 1,
      taken: next - 1,
      settled: next - 1,
      anchors: createAnchors(isOther ? null : expected),
      replaces: again || isOther || start.misfit !== null,
    })
    void feed(member, partition)
  }

  /** The log is another one than this member has read: it puts what it has aside, and begins again. */
  async function beginAgain(member: Member, partition: number): Promise<void> {
    const mine = member.held
    const holds = () => member.held === mine && !member.draining
    mine.delete(partition)
    await member.order(async () => {
      if (!holds()) return
      await member.consumer.revoked([partition])
      await until(member, holds, () => member.consumer.assigned([partition], null))
    })
    if (holds()) begin(member, partition, NOTHING, true)
  }

  const arrival = (life: Life): Promise<void> => new Promise(resolve => time.after(way(), () => life.run(resolve)))

  async function feed(member: Member, partition: number): Promise<void> {
    const mine = member.held
    const place = mine.get(partition)
    const holds = () => member.held === mine && !member.draining
    while (place && holds()) {
      const log = logs[partition] ?? []
      const { misfit, expected } = startAt(
        { offset: place.next, anchor: place.anchors.before(place.next) },
        { low: 0, high: log.length },
      )
      if (misfit || (expected && log[expected.offset]?.mark !== expected.mark)) return beginAgain(member, partition)
      const records = log.slice(place.next, place.next + random.between(1, deps.batch))
      const entries = records.map(({ event }, index) => ({ position: place.next + index, event }))
      if (entries.length === 0) {
        await topic.something(member.life)
        continue
      }
      await arrival(member.life)
      if (!holds()) return
      // What was fetched before the log went back is taken in all the same.
      for (const [index, { mark }] of records.entries()) place.anchors.add({ offset: place.next + index, mark })
      place.handed = place.next + entries.length - 1
      place.next = place.handed + 1
      await until(member, holds, () => member.consumer.onBatch(partition, entries))
      place.taken = place.handed
    }
  }

  async function commit(member: Member): Promise<void> {
    const positions = [...member.held].flatMap(([partition, place]) => {
      const { settled, replaces } = place
      const isNew = replaces || settled >= (committed[partition]?.offset ?? 0)
      return isNew ? [{ partition, place, settled, replaces }] : []
    })
    if (positions.length === 0) return
    const { generation: given, life } = member
    await time.sleep(way())
    if (member.left || member.generation !== given || random.chance(weather.lost)) return
    for (const { partition, place, settled, replaces } of positions) {
      const from = replaces ? 0 : (committed[partition]?.offset ?? 0)
      if (settled < from && !replaces) continue
      const anchor = place.anchors.before(settled + 1)
      const log = logs[partition] ?? []
      // Of a log that went back since it was read: it is committed, and says nothing about the new one.
      if (anchor === null || log[anchor.offset]?.mark === anchor.mark)
        deps.committing(
          partition,
          log.map(({ event }) => event),
          from,
          settled,
        )
      place.replaces = false
      committed[partition] = { offset: settled + 1, anchor }
      trace.note(`${life.name} log commits ${partition}:${settled}`)
    }
  }

  // ── one process ──

  function join(life: Life, consumer: LogConsumer): Consumption {
    const order = createMutex()
    let member: Member = enter()
    let stopped = false

    function enter(): Member {
      const nothing = { generation: 0, held: new Map(), told: [], draining: false, left: false }
      const entered: Member = { order, life, consumer, ...nothing }
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
        await life.clock.sleep(1_000)
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
      committable(partition, position) {
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

  return {
    partitions: deps.partitions,
    entries: partition => (logs[partition] ?? []).map(({ event }) => event),
    goBack() {
      const keepsPositions = random.chance(0.6)
      for (const [partition, log] of logs.entries()) {
        if (log.length === 0 || committed[partition]?.offset !== log.length || random.chance(0.3)) continue
        const kept = random.chance(0.5) ? 0 : random.between(0, log.length - 1)
        trace.note(`the log of partition ${partition} goes back from ${log.length} to ${kept}`)
        topic.cut(partition, kept)
        if (!keepsPositions) committed[partition] = NOTHING
      }
      topic.wake()
    },
    rebalance: () => void rebalance(),
    refuse: topic.refuse,
    lose() {
      const member = members[random.between(0, members.length - 1)]
      if (!member) return null
      evict(member)
      void rebalance()
      return member.life
    },
    quiet: () => !moving && logs.every((log, partition) => (committed[partition]?.offset ?? 0) === log.length),
    connect: port => ({
      commitPublishes: false,
      ownsAllPartitions: false,
      partitions: deps.partitions,
      partitionOf: topic.partitionOf,
      append: events =>
        call(
          { ...port, weather, inWorld: true },
          'append',
          events.map(({ id }) => id),
          () => topic.append(events),
        ),
      consume: async consumer => join(port.life, consumer),
      health: () => null,
      notice: () => null,
      contradiction: async () => null,
      check: async () => 'simulated',
      close: async () => {},
    }),
  }
}

/** Calls the consumer until it succeeds, or the member holds the partition no more. */
async function until(member: Member, holds: () => boolean, callback: () => Promise<void>): Promise<void> {
  while (holds()) {
    const done = await callback().then(
      () => true,
      () => false,
    )
    if (done) return
    await member.life.clock.sleep(100)
  }
}

const NOTHING: Committed = { offset: null, anchor: null }
