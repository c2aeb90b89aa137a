import { record } from './consumer.ts'
import { openKafkaLog } from './log.ts'

/** A member of a group in a process of its own, to be killed: `node member.ts BROKERS TOPIC GROUP`. Tells its parent when it has partitions. */
const [brokers = '', topic = '', group = ''] = process.argv.slice(2)
const log = await openKafkaLog(brokers, { topic })
await record(log, group, { assigned: partitions => void process.send?.(partitions) })
