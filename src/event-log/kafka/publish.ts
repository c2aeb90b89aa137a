import type { Kafka } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { partitionFor } from '../../lib/murmur2.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { PartlyRefused, type Refusal } from '../event-log.ts'
import { createSender, type Sender } from './produce.ts'
import { recordBytes, type SizeLimit } from './size.ts'

/** Limits of one request. */
const MOST_EVENTS = 500
const MOST_BYTES = 512 * 1024

export interface Publisher {
  /**
   * Resolves when all events are written and replicated. Rejects with `PartlyRefused`, or with another AppError; then some may have been
   * written.
   */
  append(events: readonly EventRecord[]): Promise<void>
  close(): Promise<void>
}

interface Waiting {
  readonly event: EventRecord
  readonly partition: number
  readonly call: Call
}

interface Call {
  left: number
  readonly refusals: Refusal[]
  failure: unknown
  resolve(): void
  reject(error: unknown): void
}

/**
 * Publishes in the order of the calls, with many calls in one request: the idempotent producer of kafkajs allows one request in flight
 * per broker, so requests are the cost. A partition that refuses gets its own producer until it takes events again, because its answers
 * may take 10 s. Events that wait behind a refused one of their order or partition are refused with it, which keeps them in order.
 */
export function createPublisher(deps: {
  client: () => Kafka
  ready: () => Promise<void>
  topic: string
  partitions: () => number
  size: SizeLimit
  clock: Clock
  metrics: Metrics
  explain: (error: unknown) => AppError
}): Publisher {
  const { partitions, size } = deps
  const leaders = new Map<number, number>()
  /** Partitions that refused and have not taken an event since. */
  const sick = new Set<number>()
  const main = createQueue(createSender({ ...deps, leaders, patient: true }))
  const aside = createQueue(createSender({ ...deps, leaders, patient: false }))
  let closed = false

  function createQueue(sender: Sender) {
    let waiting: Waiting[] = []
    let sending: readonly Waiting[] = []
    let running = false

    function take(): readonly Waiting[] {
      const most = size.batch()
      const bytesOf = new Map<number, number>()
      let bytes = 0
      let count = 0
      for (const { event, partition } of waiting) {
        const more = recordBytes(event)
        const ofPartition = (bytesOf.get(partition) ?? 0) + more
        bytes += more
        if (count > 0 && (count >= MOST_EVENTS || bytes > MOST_BYTES)) break
        if (bytesOf.has(partition) && ofPartition > most) break
        bytesOf.set(partition, ofPartition)
        count++
      }
      const batch = waiting.slice(0, count)
      waiting = waiting.slice(count)
      return batch
    }

    function refuse({ event, call }: Waiting, { error, partition }: Refusal): void {
      call.refusals.push({ event, error, partition })
      finish(call)
    }

    /** Events that wait behind a refused one of their order or partition are refused as well. */
    function refuseBehind(refusals: readonly Refusal[]): void {
      const ofPartition = new Map(refusals.map(refusal => [refusal.partition, refusal]))
      const ofOrder = new Map(refusals.map(refusal => [refusal.event.orderKey, refusal]))
      const before = waiting
      waiting = []
      for (const item of before) {
        const refusal = ofOrder.get(item.event.orderKey) ?? ofPartition.get(item.partition)
        if (refusal) refuse(item, refusal)
        else waiting.push(item)
      }
    }

    function answer(batch: readonly Waiting[], refusals: readonly Refusal[]): void {
      const refused = new Map(refusals.map(refusal => [refusal.event, refusal]))
      const takes = new Set(batch.filter(({ event }) => !refused.has(event)).map(({ partition }) => partition))
      for (const partition of takes) sick.delete(partition)
      for (const { partition } of refusals) if (partition !== null) sick.add(partition)
      for (const item of batch) {
        const refusal = refused.get(item.event)
        if (refusal) refuse(item, refusal)
        else finish(item.call)
      }
      if (refusals.length > 0) refuseBehind(refusals)
    }

    function fail(batch: readonly Waiting[], error: unknown): void {
      const failed = [...batch, ...waiting]
      waiting = []
      for (const { call } of failed) {
        call.failure ??= error
        finish(call)
      }
    }

    async function run(): Promise<void> {
      running = true
      while (waiting.length > 0) {
        const batch = take()
        sending = batch
        const outcome = await sender.send(batch.map(({ event }) => event)).then(
          refusals => () => answer(batch, refusals),
          error => () => fail(batch, error),
        )
        sending = []
        outcome()
      }
      running = false
    }

    return {
      add(item: Waiting): void {
        waiting.push(item)
        if (running) return
        running = true
        // Wait for the other events of this call before the first request.
        queueMicrotask(run)
      },
      has: (partition: number) =>
        waiting.some(item => item.partition === partition) || sending.some(item => item.partition === partition),
      close: sender.close,
    }
  }

  function finish(call: Call): void {
    if (--call.left > 0) return
    if (call.failure !== null) call.reject(call.failure)
    else if (call.refusals.length > 0) call.reject(new PartlyRefused(call.refusals))
    else call.resolve()
  }

  return {
    append: events =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new AppError('The event log is closed.', { code: 'kafka.closed', intent: 'retry' }))
        if (events.length === 0) return resolve()
        const call: Call = { left: events.length, refusals: [], failure: null, resolve, reject }
        const count = partitions()
        const queueOf = new Map<number, typeof main>()
        for (const event of events) {
          const partition = partitionFor(event.orderKey, count)
          // The partition goes back to the shared producer only when none of its events wait for the own one.
          const queue = queueOf.get(partition) ?? (sick.has(partition) || aside.has(partition) ? aside : main)
          queueOf.set(partition, queue)
          queue.add({ event, partition, call })
        }
      }),
    close: async () => {
      closed = true
      await Promise.all([main.close(), aside.close()])
    },
  }
}
