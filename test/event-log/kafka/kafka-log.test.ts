import { afterAll, describe } from 'vitest'
import { type EventLogHarness, eventLogContract } from '../../contract/event-log.ts'
import { openKafkaLog } from '../../helpers/kafka/log.ts'
import { startKafka, unique } from '../../helpers/kafka.ts'

const kafka = await startKafka()
afterAll(() => kafka?.stop())

describe.skipIf(!kafka)(`on Kafka from ${kafka?.from}`, () => {
  const open = async (topic: string): Promise<EventLogHarness> => {
    const log = await openKafkaLog(kafka?.brokers ?? '', { topic })
    return {
      log,
      publish: events => log.append(events),
      close: () => log.close(),
      reopen: async () => {
        await log.close()
        return open(topic)
      },
    }
  }
  eventLogContract('kafka', () => open(unique('contract')))
})
