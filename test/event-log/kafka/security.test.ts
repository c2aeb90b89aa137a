import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { bareClient, createTopic } from '../../helpers/kafka/client.ts'
import { record } from '../../helpers/kafka/consumer.ts'
import { openKafkaLog } from '../../helpers/kafka/log.ts'
import { startOwnKafka, USERS, unique } from '../../helpers/kafka.ts'

const { AclOperationTypes: MAY, AclPermissionTypes, AclResourceTypes: ON, ResourcePatternTypes } = kafkajs
/** Kafka's names of them. */
const OPERATIONS: Readonly<Record<string, number>> = {
  Describe: MAY.DESCRIBE,
  DescribeConfigs: MAY.DESCRIBE_CONFIGS,
  Read: MAY.READ,
  Write: MAY.WRITE,
  Create: MAY.CREATE,
}
const kafka = await startOwnKafka({ security: 'sasl' })
afterAll(() => kafka?.stop())

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 50 })
const never = () => new AbortController().signal

describe.skipIf(!kafka)('Kafka with passwords and permissions', () => {
  const brokers = kafka?.brokers ?? ''
  const logs: EventLog[] = []
  let bare: Awaited<ReturnType<typeof bareClient>>
  beforeAll(async () => {
    bare = await bareClient(brokers, USERS.admin)
  })
  afterAll(() => bare.close())
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(
    topic: string,
    user: { username: string; password: string } | null,
    options: Partial<KafkaLogOptions> = {},
  ) {
    const sasl = user && { mechanism: 'plain' as const, ...user }
    const log = await openKafkaLog(brokers, { topic, sasl, ...options })
    logs.push(log)
    return log
  }

  const rule = (resourceType: number, resourceName: string, operation: number) => ({
    resourceType,
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:guest',
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
  })
  const allow = (...rules: ReturnType<typeof rule>[]) => bare.admin.createAcls({ acl: rules })
  const withdraw = (...rules: ReturnType<typeof rule>[]) => bare.admin.deleteAcls({ filters: rules })

  test('with the right password everything works', async () => {
    const log = await open(unique('allowed'), USERS.admin)
    await log.append(eventsOf('a', 2))
    const reader = await record(log, unique('group'))
    await eventually(() => expect(reader.taken).toHaveLength(2))
    expect(log.health()).toBeNull()
  })

  test('a wrong password is one sentence, wherever it is met, and shows no password', async () => {
    const log = await open(unique('x'), { username: 'admin', password: 'wrong-password' })
    const errors = [
      await log.check(never()).catch(error => error),
      await log.append(eventsOf('a', 1)).catch(error => error),
    ]
    for (const error of errors) {
      expect(error).toMatchObject({ intent: 'stop', code: 'kafka.sasl' })
      expect(error.message).toMatch(/refused the user name or password.*KAFKA_SASL_USERNAME/)
      expect(error.message).not.toContain('wrong-password')
    }
    expect(log.health()).toBe(errors[1].message)
  })

  test('a missing password does not hang', async () => {
    const log = await open(unique('x'), null)
    await expect(log.check(never())).rejects.toMatchObject({ name: 'AppError' })
  })

  test('a topic that this user may not use is one sentence that names it', async () => {
    const topic = unique('forbidden')
    await createTopic(bare.admin, topic, 1)
    const log = await open(topic, USERS.guest)
    await expect(log.append(eventsOf('a', 1))).rejects.toMatchObject({ intent: 'stop', code: 'kafka.forbidden' })
    expect(log.health()).toContain(`topic "${topic}"`)
  })

  test('a topic that this user may read and write, and no more, is enough for publishing', async () => {
    const topic = unique('writable')
    await createTopic(bare.admin, topic, 1)
    await allow(rule(ON.TOPIC, topic, MAY.READ), rule(ON.TOPIC, topic, MAY.WRITE), rule(ON.TOPIC, topic, MAY.DESCRIBE))
    const log = await open(topic, USERS.guest)
    await log.append(eventsOf('a', 1))
    expect(log.health()).toBeNull()
  })

  test('the permissions that docs/deploying.md names are enough, and without those to create the topic the sentence says so', async () => {
    const [topic, group] = [unique('documented'), unique('group')]
    const log = await open(topic, USERS.guest, { group })
    await expect(log.check(never())).rejects.toMatchObject({ code: 'kafka.forbidden' })
    const document = readFileSync(join(import.meta.dirname, '../../../docs/deploying.md'), 'utf8')
    const named = [...document.matchAll(/^\| (topic|group) \| ([\w, ]+?) \|/gm)].flatMap(
      ([, resource, operations = '']) =>
        operations.split(', ').map(operation => ({ resource, operation: OPERATIONS[operation] ?? 0 })),
    )
    expect(named).toHaveLength(7)
    await allow(
      ...named.map(({ resource, operation }) =>
        resource === 'topic' ? rule(ON.TOPIC, topic, operation) : rule(ON.GROUP, group, operation),
      ),
    )
    await eventually(() => log.check(never()))
    await log.append(eventsOf('a', 2))
    const reader = await record(log, group)
    await eventually(() => expect(reader.taken).toHaveLength(2))
    expect(await reader.consumption.holds([0])).toBe(true)
    expect(await log.contradiction()).toBeNull()
    expect([log.health(), log.notice()]).toEqual([null, null])
  })

  test('a consumer that was refused comes back by itself when it is allowed again', async () => {
    const [topic, group] = [unique('regained'), unique('group')]
    await createTopic(bare.admin, topic, 1)
    const reading = rule(ON.GROUP, group, MAY.READ)
    await allow(
      rule(ON.TOPIC, topic, MAY.READ),
      rule(ON.TOPIC, topic, MAY.WRITE),
      rule(ON.TOPIC, topic, MAY.DESCRIBE),
      rule(ON.GROUP, group, MAY.DESCRIBE),
      reading,
    )
    const log = await open(topic, USERS.guest, { group })
    await log.append(eventsOf('a', 2))
    const reader = await record(log, group)
    await eventually(() => expect(reader.taken).toHaveLength(2))
    await withdraw(reading)
    await eventually(() => expect(log.health()).toContain(`group "${group}"`))
    expect(reader.happened).toEqual(['assigned 0', 'revoking 0', 'revoked 0'])
    await log.append(eventsOf('b', 2))
    await allow(reading)
    await eventually(() => expect(reader.taken.filter(({ event }) => event.orderId === 'b')).toHaveLength(2))
    expect(log.health()).toBeNull()
  })
})
