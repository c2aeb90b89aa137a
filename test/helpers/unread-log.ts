import type { EventLog } from '../../src/event-log/event-log.ts'

/** An embedded event log that nobody reads: what is stored is published by that. */
export const unreadLog: EventLog = {
  commitPublishes: true,
  ownsAllPartitions: true,
  partitions: 1,
  partitionOf: () => 0,
  append: async () => {},
  consume: () => Promise.reject(new Error('not consumed here')),
  health: () => null,
  notice: () => null,
  contradiction: async () => null,
  check: async () => 'memory',
  close: async () => {},
}
