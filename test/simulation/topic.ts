import { PartlyRefused, type Refusal, TOO_LARGE } from '../../src/event-log/event-log.ts'
import { AppError } from '../../src/lib/errors.ts'
import { keyHash } from '../../src/lib/murmur2.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Weather } from './port.ts'
import type { Life } from './session.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

/** Of so many records one is refused where some are. */
const UNFIT_OF = 4
const LONGEST_WAIT_MS = 5_000

interface Record {
  readonly event: EventRecord
  /** No two records have the same. */
  readonly mark: string
}

/** The records of the broker: what is appended to each partition, what is refused, and what is lost again. */
export interface Topic {
  /** By partition. A log that went back is another array. */
  readonly logs: Record[][]
  partitionOf(orderKey: string): number
  append(events: readonly EventRecord[]): Promise<void>
  /** For a while a partition takes nothing, or some records are refused for good (`large`: for their size). */
  refuse(ms: number): void
  /** The partition loses all records from this one on. */
  cut(partition: number, from: number): void
  /** Resolves after an append, or after a while without one. */
  something(life: Life): Promise<void>
  /** Whoever waits for something looks again. */
  wake(): void
}

export function createTopic(deps: {
  partitions: number
  time: Time
  random: Random
  trace: Trace
  weather: Weather
}): Topic {
  const { time, random, trace, weather } = deps
  const logs: Record[][] = Array.from({ length: deps.partitions }, () => [])
  let marks = 0
  const waiting = new Set<() => void>()
  /** Partitions, and orders by the hash of their key, that take nothing at present. */
  const refusing = new Set<number>()
  const unfit = new Map<number, 'kafka.record' | typeof TOO_LARGE>()

  const partitionOf = (key: string) => keyHash(key) % deps.partitions

  function wake(): void {
    for (const go of [...waiting]) go()
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
        logs[partition]?.push(...part.filter(event => !not.has(event)).map(event => ({ event, mark: `${marks++}` })))
        wake()
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
    ...{ logs, partitionOf, append, refuse, wake },
    cut(partition, from) {
      logs[partition] = (logs[partition] ?? []).slice(0, from)
    },
    something: life =>
      new Promise(resolve => {
        const go = () => {
          cancel()
          waiting.delete(go)
          life.run(resolve)
        }
        const cancel = time.after(LONGEST_WAIT_MS, go)
        waiting.add(go)
      }),
  }
}
