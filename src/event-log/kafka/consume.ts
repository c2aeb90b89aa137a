import kafkajs, { type Admin, type Cluster, type Consumer, type EachBatchPayload, type Kafka } from 'kafkajs'
import { doubled } from '../../lib/back-off.ts'
import type { Clock } from '../../lib/clock.ts'
import { endsWithin } from '../../lib/deadline.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Consumption, LogConsumer, LogEntry } from '../event-log.ts'
import type { Patience } from './client.ts'
import { followCoordinator } from './coordinator.ts'
import type { MisfitFound } from './notices.ts'
import {
  type Anchor,
  anchorOf,
  type Bounds,
  type Committed,
  markOf,
  metadataOf,
  type Start,
  startAt,
} from './position.ts'
import { type Assignment, assignment, type Member } from './rebalance.ts'
import { eventOf } from './record.ts'

/**
 * A member without a heartbeat for this long is removed from the group, and its partitions go to others. Brokers accept no less than 6 s.
 * A handler may hold the event loop for 3 s.
 */
const SESSION_MS = 6_000
/** How long the group waits for its members during a rebalance; longer than an assignment takes to drain. */
const REBALANCE_MS = 30_000
const HEARTBEAT_MS = 1_000
/** A fetch waits this long for data. Heartbeats and resumed partitions wait for it as well. */
const FETCH_WAIT_MS = 250
const FETCH_BYTES_PER_PARTITION = 256 * 1024
const FETCH_BYTES = 4 * 1024 * 1024
const LEAVE_MS = 3_000
const CATCH_UP_EVERY_MS = 50
/** A topic cannot be deleted, created again and filled between two fetches that are closer than this. */
const FETCH_GAP_MS = 1_000
/** Ask twice for an end that is below our position: a newly elected leader may not know its end yet. */
const ASK_AGAIN_MS = 500

export interface KafkaConsumption extends Consumption {
  readonly group: string
  /** The partitions that this member holds now. */
  owned(): readonly number[]
  /** Why it does not read; null: it is in its group and reads. */
  problem(): AppError | null
  /** The topic was not there a moment ago. */
  doubt(): void
  /** Compares the ends of the partitions: an end below our position means that the log went back. */
  compare(ends: ReadonlyMap<number, number>): void
}

/**
 * Commits with a single try. `consumer.commitOffsets` retries, and a late retry would commit under a newer generation of the group, which
 * may have given the partition to another member.
 */
type Commit = EachBatchPayload['commitOffsetsIfNecessary']
type Heartbeat = EachBatchPayload['heartbeat']

/**
 * Keeps a member in its consumer group. kafkajs stops its consumer on errors that it cannot retry, and after some that it can, so this
 * supervises it and starts a new client each time.
 */
export function consumeFromKafka(deps: {
  client: (patience: Patience) => Kafka
  admin: <T>(use: (admin: Admin) => Promise<T>) => Promise<T>
  topic: string
  consumer: LogConsumer
  /** Resolves when the topic exists and can be read. */
  ready: () => Promise<void>
  explain: (error: unknown) => AppError
  /** It keeps failing, or needs a person. */
  onProblem: (error: AppError) => void
  /** A position does not fit its log. */
  onMisfit: (found: MisfitFound) => void
  clock: Clock
  log: Log
}): KafkaConsumption {
  const { topic, consumer, clock, log } = deps
  const { group } = consumer
  const stopping = new AbortController()
  const stopped = new Promise<void>(resolve => stopping.signal.addEventListener('abort', () => resolve()))
  let current: Assignment | null = null
  let problem: AppError | null = null
  let joins = 0
  let memberId: string | null = null
  /** null: nothing was read yet. */
  let heartbeat: Heartbeat | null = null
  let callbacks: Promise<unknown> = Promise.resolve()

  const order = <T>(callback: () => Promise<T>): Promise<T> => {
    const result = callbacks.then(callback)
    callbacks = result.catch(() => {})
    return result
  }

  async function release(options: { commit: boolean; revoke: boolean }): Promise<void> {
    const held = current
    if (!held) return
    const released = new AbortController()
    void stayAlive(released.signal)
    await held.release(options).finally(() => released.abort())
    if (current === held) current = null
  }

  /** kafkajs sends heartbeats with its fetches, and fetches nothing while it joins again. A release may take longer than a session. */
  async function stayAlive(released: AbortSignal): Promise<void> {
    while (!released.aborted) {
      await clock.sleep(HEARTBEAT_MS, released)
      // The answer to a heartbeat during a rebalance is an error. It counts all the same.
      if (!released.aborted) await heartbeat?.().catch(() => {})
    }
  }

  /** Offsets that this consumer committed. Kafka forgets them with a deleted topic. */
  const committedHere = new Map<number, number>()

  async function bounds(partitions: readonly number[]): Promise<ReadonlyMap<number, Bounds>> {
    const found = await deps.admin(admin => admin.fetchTopicOffsets(topic))
    const known = new Map(
      found.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]),
    )
    return new Map(partitions.map(partition => [partition, known.get(partition) ?? { low: 0, high: 0 }]))
  }

  async function committed(): Promise<ReadonlyMap<number, Committed>> {
    const [offsets] = await deps.admin(admin => admin.fetchOffsets({ groupId: group, topics: [topic] }))
    return new Map(
      offsets?.partitions.map(({ partition, offset, metadata }) => [
        partition,
        { offset: Number(offset) < 0 ? null : Number(offset), anchor: anchorOf(metadata) },
      ]),
    )
  }

  async function starts(partitions: readonly number[]): Promise<ReadonlyMap<number, Start>> {
    const positions = await committed()
    const startsIn = (found: ReadonlyMap<number, Bounds>) =>
      new Map(
        partitions.map(partition => {
          const bounds = found.get(partition) ?? { low: 0, high: 0 }
          return [partition, startAt(positions.get(partition) ?? NOTHING, bounds)] as const
        }),
      )
    let found = startsIn(await bounds(partitions))
    if ([...found.values()].some(({ misfit }) => misfit === 'ends-below')) {
      await clock.sleep(ASK_AGAIN_MS, stopping.signal)
      found = startsIn(await bounds(partitions))
    }
    const anyPosition = [...positions.values()].some(({ offset }) => offset !== null)
    const readBefore = !anyPosition && ((await consumer.hasReadBefore?.()) ?? false)
    return new Map(
      [...found].map(([partition, start]) => {
        const before = positions.get(partition)?.offset ?? committedHere.get(partition) ?? null
        const isGone = positions.get(partition)?.offset == null && (committedHere.has(partition) || readBefore)
        const misfit = start.misfit ?? (isGone ? 'position-gone' : null)
        if (misfit) deps.onMisfit({ group, partition, misfit, next: before ?? 0, from: start.next })
        return [partition, { ...start, misfit }]
      }),
    )
  }

  function memberOf(kafka: Consumer, commit: () => Commit | null): Member {
    return {
      pause: partitions => kafka.pause([{ topic, partitions: [...partitions] }]),
      resume: partition => kafka.resume([{ topic, partitions: [partition] }]),
      resumeAt: (partition, offset) => {
        kafka.seek({ topic, partition, offset: String(offset) })
        kafka.resume([{ topic, partitions: [partition] }])
      },
      commit: async offsets => {
        const partitions = [...offsets].map(([partition, { offset, anchor }]) => ({
          partition,
          offset: String(offset),
          metadata: metadataOf(anchor),
        }))
        const write = commit()
        if (!write) throw new AppError('Nothing was read yet.', { code: 'kafka.commit', intent: 'retry' })
        await write({ topics: [{ topic, partitions }] })
        for (const [partition, { offset }] of offsets) committedHere.set(partition, offset)
      },
      starts,
      bounds,
    }
  }

  async function takeBatch({ batch, resolveOffset }: Pick<EachBatchPayload, 'batch' | 'resolveOffset'>): Promise<void> {
    const held = current
    const reader = held?.reader(batch.partition)
    // The partition is being revoked, or the batch was fetched under an earlier assignment: its owner reads it again.
    if (!held || !reader) return
    const asked = fetchedOffset(batch)
    if (asked !== null && asked !== reader.next) return held.reposition(reader)
    const { expected } = reader
    if (expected) {
      const record = batch.messages.find(({ offset }) => Number(offset) === expected.offset)
      if (!record || markOf(record) !== expected.mark) return held.restart(reader, 'other-record')
      reader.trust()
    }
    const entries: LogEntry[] = []
    const anchors: Anchor[] = []
    for (const record of batch.messages) {
      const { offset, value } = record
      if (Number(offset) < reader.fresh) continue
      anchors.push({ offset: Number(offset), mark: markOf(record) })
      try {
        entries.push({ position: Number(offset), event: eventOf(value) })
      } catch (error) {
        log.warn(
          { partition: batch.partition, offset, reason: messageOf(error) },
          'skipped a record of the Kafka topic',
        )
      }
    }
    const last = batch.lastOffset()
    reader.next = Number(last) + 1
    reader.take(entries, Number(last), anchors)
    resolveOffset(last)
    if (entries.length < anchors.length) held.touch()
  }

  /** Runs one kafkajs consumer. Resolves with the error that ended it, or with null when we stop. */
  async function live(): Promise<unknown> {
    // Long enough for brokers to come back while the member is still in its group, so no rebalance is needed.
    const kafka = deps.client({ retries: 300, signal: stopping.signal }).consumer({
      groupId: group,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
      maxBytes: FETCH_BYTES,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      retry: { retries: 1_200, initialRetryTime: 200, maxRetryTime: 500, restartOnFailure: async () => false },
      partitionAssigners: [
        context => {
          beforeJoining(context.cluster, clock, () => release({ commit: true, revoke: true }))
          afterTrouble(context.cluster, () => current?.doubt())
          return kafkajs.PartitionAssigners.roundRobin(context)
        },
      ],
    })
    const crashed = new Promise<unknown>(resolve =>
      kafka.on(kafka.events.CRASH, ({ payload }) => resolve(payload.error)),
    )
    let commit: Commit | null = null
    heartbeat = null
    const member = memberOf(kafka, () => commit)
    kafka.on(kafka.events.GROUP_JOIN, ({ payload }) => {
      const partitions = payload.memberAssignment[topic] ?? []
      // kafkajs fetches as soon as it has joined. Pause until the partitions are taken over.
      member.pause(partitions)
      joins++
      memberId = payload.memberId
      // Normally released before joining. If the internals of kafkajs changed, release here, still in order.
      void current?.release({ commit: false, revoke: true })
      problem = null
      current = assignment({
        partitions: [...partitions].sort((a, b) => a - b),
        consumer,
        member,
        order,
        misfits: deps.onMisfit,
        clock,
        log,
      })
      log.info({ group, partitions }, 'reads from Kafka')
    })
    kafka.on(kafka.events.START_BATCH_PROCESS, ({ payload }) => {
      // `eachBatch` is not called for batches that contain only transaction markers.
      const reader = payload.batchSize === 0 ? current?.reader(payload.partition) : null
      const last = Number(payload.lastOffset)
      if (!reader || last < reader.next) return
      if (reader.expected) return current?.restart(reader, 'other-record')
      reader.next = last + 1
      reader.take([], last)
      current?.touch()
    })
    let fetchedAt = clock.monotonic()
    kafka.on(kafka.events.FETCH, () => {
      const before = fetchedAt
      fetchedAt = clock.monotonic()
      if (fetchedAt - before > FETCH_GAP_MS) current?.doubt()
    })
    const eachBatch = async (payload: EachBatchPayload) => {
      commit = payload.commitOffsetsIfNecessary
      heartbeat = payload.heartbeat
      await takeBatch(payload)
    }
    try {
      const started = (async () => {
        await kafka.connect()
        await kafka.subscribe({ topics: [topic], fromBeginning: true })
        await kafka.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch })
      })()
      const failed = started.then(
        () => crashed,
        error => error,
      )
      return await Promise.race([failed, crashed, stopped.then(() => null)])
    } finally {
      await release(stopping.signal.aborted ? { commit: true, revoke: false } : { commit: false, revoke: true })
      await endsWithin(clock, LEAVE_MS, kafka.disconnect())
    }
  }

  async function supervise(): Promise<void> {
    let pause = 250
    while (!stopping.signal.aborted) {
      const joined = joins
      let error: unknown
      try {
        await Promise.race([deps.ready(), stopped])
        if (stopping.signal.aborted) return
        error = await live()
      } catch (cause) {
        error = cause
      }
      if (stopping.signal.aborted) return
      pause = joins > joined ? 250 : doubled(pause, 5_000)
      const before = problem
      problem = deps.explain(error)
      // The coordinator of a new group may need a moment; do not log that.
      if (before || problem.intent !== 'retry') deps.onProblem(problem)
      await clock.sleep(pause, stopping.signal)
    }
  }

  const ended = supervise()
  return {
    group,
    owned: () => current?.partitions ?? [],
    problem: () => problem,
    doubt: () => current?.doubt(),
    compare: ends => current?.compare(ends),
    committable: (partition, position) => current?.committable(partition, position),
    caughtUp: async partitions => {
      const held = current
      if (!held) return false
      const bounds = await deps.admin(admin => admin.fetchTopicOffsets(topic))
      const ends = new Map(bounds.map(({ partition, high }) => [partition, Number(high)]))
      const behind = (partition: number) => (held.reader(partition)?.reached() ?? -1) < (ends.get(partition) ?? 0)
      const ours = () => current === held && !stopping.signal.aborted
      while (ours() && partitions.some(behind)) await clock.sleep(CATCH_UP_EVERY_MS, stopping.signal)
      return ours()
    },
    holds: async partitions => {
      const held = current
      const { groups } = await deps.admin(admin => admin.describeGroups([group]))
      // In a stable group each member holds its assignment, and no rebalance is under way.
      const us = groups.find(found => found.state === 'Stable')?.members.find(member => member.memberId === memberId)
      const dealt = us && kafkajs.AssignerProtocol.MemberAssignment.decode(us.memberAssignment)?.assignment[topic]
      return held !== null && current === held && partitions.every(partition => dealt?.includes(partition))
    },
    stop: async () => {
      stopping.abort()
      await ended
    },
  }
}

const NOTHING: Committed = { offset: null, anchor: null }

/**
 * kafkajs rebalances eagerly and has no hook for a revoke: when it joins again, others may get all its partitions. It looks up the
 * coordinator first and waits for that, so partitions are revoked there.
 */
function beforeJoining(cluster: Cluster, clock: Clock, release: () => Promise<void>): void {
  const find = cluster.findGroupCoordinator.bind(cluster)
  cluster.findGroupCoordinator = async group => {
    // First, because the last commit needs a coordinator: a broker that is lost may be both it and the leader whose loss makes us join again.
    const first = await find(group)
    await release()
    return followCoordinator({ first, find: () => find(group), sessionMs: SESSION_MS, clock })
  }
}

/** kafkajs refreshes metadata after a refused fetch: the topic did not exist, or its leader moved. */
function afterTrouble(cluster: Cluster, doubt: () => void): void {
  const refresh = cluster.refreshMetadata.bind(cluster)
  cluster.refreshMetadata = async () => {
    await refresh()
    doubt()
  }
}

/** The offset that a batch was fetched from; null if kafkajs does not tell it. */
function fetchedOffset(batch: object): number | null {
  const offset = 'fetchedOffset' in batch ? Number(batch.fetchedOffset) : Number.NaN
  return Number.isNaN(offset) ? null : offset
}
