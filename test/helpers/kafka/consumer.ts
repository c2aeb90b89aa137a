import type { Consumption, EventLog, LogEntry } from '../../../src/event-log/event-log.ts'

export interface Recorder {
  readonly taken: (LogEntry & { partition: number })[]
  /** What happened, in order: `assigned 0,1,2`, `revoking 0,1,2`, `revoked 0,1,2`. */
  readonly happened: string[]
  readonly owned: Set<number>
  readonly consumption: Consumption
}

/** Consumes and writes down what happens; settles what it takes unless told otherwise. */
export async function record(
  log: EventLog,
  group: string,
  options: {
    settle?: boolean
    onBatch?: (partition: number, entries: readonly LogEntry[]) => Promise<void>
    assigned?: (partitions: readonly number[]) => void
    revoked?: (partitions: readonly number[]) => Promise<void>
    hasReadBefore?: () => Promise<boolean>
    happened?: string[]
    name?: string
  } = {},
): Promise<Recorder> {
  const { settle = true, happened = [], name = '' } = options
  const taken: Recorder['taken'] = []
  const owned = new Set<number>()
  const consumption = await log.consume({
    group,
    onBatch: async (partition, entries) => {
      for (const entry of entries) taken.push({ ...entry, partition })
      await options.onBatch?.(partition, entries)
      const last = entries.at(-1)
      if (settle && last) consumption.committable(partition, last.position)
    },
    assigned: async partitions => {
      for (const partition of partitions) owned.add(partition)
      happened.push(`${name}assigned ${partitions.join()}`)
      options.assigned?.(partitions)
    },
    revoked: async partitions => {
      happened.push(`${name}revoking ${partitions.join()}`)
      await options.revoked?.(partitions)
      for (const partition of partitions) owned.delete(partition)
      happened.push(`${name}revoked ${partitions.join()}`)
    },
    ...(options.hasReadBefore && { hasReadBefore: options.hasReadBefore }),
  })
  return { taken, happened, owned, consumption }
}
