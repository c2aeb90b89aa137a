import type { Broker } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { followCoordinator } from '../../../src/event-log/kafka/coordinator.ts'
import { memoryClock } from '../../helpers/memory-clock.ts'

const SESSION_MS = 6_000
type Answer = () => Promise<unknown>

const failing = (name: string, type?: string) => async () => {
  throw Object.assign(new Error(name), { name, type })
}
const gone = failing('KafkaJSConnectionError')
const moved = failing('KafkaJSProtocolError', 'NOT_COORDINATOR_FOR_GROUP')
const hangs = () => new Promise<never>(() => {})
const well = async () => 'ok'

/** A member that joined at broker 1; broker 2 coordinates the group from when `elect` is called. */
function member() {
  const clock = memoryClock()
  const asked: string[] = []
  const answers = new Map<number, Answer>([
    [1, well],
    [2, well],
  ])
  const brokers = [1, 2].map(nodeId => {
    const request = (name: string) => async (payload: unknown) => {
      asked.push(`${name} ${nodeId} ${JSON.stringify(payload)}`)
      return answers.get(nodeId)?.()
    }
    return { nodeId, isConnected: () => false, heartbeat: request('heartbeat'), offsetCommit: request('commit') }
  })
  const [first, second] = brokers as unknown as [Broker, Broker]
  const elected = Promise.withResolvers<Broker>()
  let searches = 0
  const coordinator = followCoordinator({
    ...{ first, sessionMs: SESSION_MS, clock },
    find: () => {
      searches++
      return elected.promise
    },
  })
  const call = (name: 'heartbeat' | 'offsetCommit', payload: unknown = {}): Promise<unknown> => {
    const method: unknown = Reflect.get(coordinator, name)
    return (method as (payload: unknown) => Promise<unknown>)(payload)
  }
  return {
    ...{ clock, asked, answers, call, coordinator },
    searches: () => searches,
    elect: async () => {
      elected.resolve(second)
      await clock.flush()
    },
  }
}

describe('the coordinator of a consumer group', () => {
  test('is found again when its broker is lost, and offsets are committed there under the same generation', async () => {
    const { answers, asked, call, elect, searches } = member()
    answers.set(1, gone)
    const commit = call('offsetCommit', { groupGenerationId: 7 })
    await elect()
    expect(await commit).toBe('ok')
    expect(await call('offsetCommit', { groupGenerationId: 7 })).toBe('ok')
    expect(asked).toEqual([1, 2, 2].map(node => `commit ${node} {"groupGenerationId":7}`))
    expect(searches()).toBe(1)
  })

  test('that says it is not the coordinator any more is replaced as well', async () => {
    const { answers, asked, call, elect } = member()
    answers.set(1, moved)
    await call('heartbeat')
    await elect()
    await call('heartbeat')
    expect(asked).toEqual(['heartbeat 1 {}', 'heartbeat 2 {}'])
  })

  test('may be silent for as long as a session lasts before a heartbeat fails', async () => {
    const { answers, call, clock } = member()
    answers.set(1, gone)
    for (let ms = 0; ms < SESSION_MS; ms += 1_000) {
      expect(await call('heartbeat')).toBeNull()
      await clock.advance(1_000)
    }
    await expect(call('heartbeat')).rejects.toMatchObject({ name: 'KafkaJSConnectionError' })
  })

  test('that hangs holds up a heartbeat for 3 s at most', async () => {
    const { answers, call, clock, searches } = member()
    answers.set(1, hangs)
    const heartbeat = call('heartbeat')
    await clock.advance(3_000)
    expect(await heartbeat).toBeNull()
    expect(searches()).toBe(1)
  })

  test('is not searched for when it refuses the member: that error goes on', async () => {
    const { answers, call, searches } = member()
    for (const type of ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']) {
      answers.set(1, failing('KafkaJSProtocolError', type))
      await expect(call('heartbeat')).rejects.toMatchObject({ type })
      await expect(call('offsetCommit')).rejects.toMatchObject({ type })
    }
    expect(searches()).toBe(0)
  })

  test('looks connected to kafkajs, which would otherwise look for the broker that is lost', () => {
    const { coordinator } = member()
    expect(coordinator.isConnected()).toBe(true)
    expect(Reflect.get(coordinator, 'nodeId')).toBe(1)
  })
})
