import { describe, expect, test } from 'vitest'
import type { Flags } from '../../src/cli/command.ts'
import {
  discardDeadLetters,
  listDeadLetters,
  redriveDeadLetters,
  showDeadLetter,
} from '../../src/cli/commands/dead-letters.ts'
import { addEndpoint, testEndpoint, updateEndpoint } from '../../src/cli/commands/endpoints.ts'
import { listQuarantine, retryQuarantine } from '../../src/cli/commands/quarantine.ts'
import { replay } from '../../src/cli/commands/replay.ts'
import { NOW } from '../api/harness.ts'
import { answers, api, asked, failure, giveUp, jsonLines, newApiForEachTest, outcome, printed } from './scene.ts'

newApiForEachTest()

describe('dead letters', () => {
  const add = async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
    await giveUp('billing', await api.seed('shop', 'o-1'))
    const [letter] = await jsonLines(context => listDeadLetters(context, {}))
    return letter
  }

  test('show prints one, or says that there is none', async () => {
    const { id } = await add()
    expect(JSON.parse(await printed(context => showDeadLetter(context, id)))).toMatchObject({ id })
    expect(await failure(context => showDeadLetter(context, 'no'))).toContain('There is no dead letter "no"')
  })

  test('redrive --dry-run prints those that fit, and queues nothing', async () => {
    await add()
    const fits = async (flags: Flags) =>
      (await jsonLines(context => redriveDeadLetters(context, [], { ...flags, dryRun: true }))).length
    expect(await fits({ to: 'billing' })).toBe(1)
    expect(await fits({ type: ['order.paid'] })).toBe(1)
    expect(await fits({ type: ['order.shipped'] })).toBe(0)
    expect(await fits({ since: new Date(NOW + 1).toISOString() })).toBe(0)
    expect(await fits({ until: new Date(NOW).toISOString() })).toBe(0)
    expect((await jsonLines(context => listDeadLetters(context, {}))).length).toBe(1)
  })

  test('redrive queues those that fit the filters', async () => {
    await add()
    const redrive = (flags: Flags) => printed(context => redriveDeadLetters(context, [], flags))
    expect(await redrive({ type: ['order.shipped'] })).toBe('0 dead letters queued again, in order\n')
    expect(await redrive({ to: 'billing', type: ['order.paid'] })).toBe('1 dead letter queued again, in order\n')
    expect(await failure(context => redriveDeadLetters(context, [], {}))).toContain('or --all')
    expect(await failure(context => redriveDeadLetters(context, ['1'], { to: 'billing' }))).toContain('not both')
  })

  test('discard wants a reason, asks first, and names what it discards', async () => {
    answers.set('POST /v1/dead-letters/discard', { discarded: 2 })
    expect(await failure(context => discardDeadLetters(context, ['1', '2'], {}))).toContain('--reason')
    expect(await failure(context => discardDeadLetters(context, [], { reason: 'x' }))).toContain('--to DESTINATION')
    const declined = await outcome(false, context => discardDeadLetters(context, ['1'], { reason: 'x' }), {
      confirm: async () => false,
    })
    expect([declined.error, asked]).toEqual(['Nothing was discarded.', []])
    expect(await printed(context => discardDeadLetters(context, ['1', '2'], { reason: 'x' }))).toBe(
      '2 dead letters discarded\n',
    )
    expect(asked.at(-1)?.body).toEqual({ ids: ['1', '2'], reason: 'x' })
    await printed(context => discardDeadLetters(context, [], { to: 'billing', reason: 'x' }))
    expect(asked.at(-1)?.body).toEqual({ destination: 'billing', reason: 'x' })
  })
})

describe('endpoints', () => {
  test('update changes what is named, and an empty value clears', async () => {
    await printed(context =>
      addEndpoint(context, 'https://a.example/', { id: 'a', type: ['order.paid'], description: 'x' }),
    )
    const text = await printed(context => updateEndpoint(context, 'a', { url: 'https://b.example/' }))
    expect(text).toBe('a  active  https://b.example/  order.paid\n')
    await printed(context => updateEndpoint(context, 'a', { type: [''], description: '' }))
    const { body } = await api.call('GET', '/v1/endpoints/a')
    expect([body.url, body.types, body.description]).toEqual(['https://b.example/', null, null])
    expect(await failure(context => updateEndpoint(context, 'a', {}))).toContain('name what to change')
  })

  test('test --type --show asks for a sample and prints the answer', async () => {
    answers.set('POST /v1/endpoints/a/test', { statusCode: 500, ms: 3, error: 'it answered 500', response: 'no "sku"' })
    const { text, error } = await outcome(false, context =>
      testEndpoint(context, 'a', { type: 'order.paid', show: true }),
    )
    expect([text, error]).toEqual([
      'a answered 500 in 3 ms: it answered 500\n  no "sku"\n',
      'a did not take the test event.',
    ])
    expect(asked.at(-1)?.body).toEqual({ type: 'order.paid' })
  })
})

test('replay --dry-run says how much would be delivered, and queues nothing', async () => {
  await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
  await api.seed('shop', 'o-1')
  answers.set('POST /v1/destinations/billing/replay', {
    events: 2,
    orders: 1,
    alreadyDelivered: 1,
    estimatedSeconds: 1,
  })
  const text = await printed(context => replay(context, { to: 'billing', order: 'o-1', dryRun: true }))
  expect(text).toContain('2 events of 1 order would be queued for billing, about 1 s; 1 of them were delivered before')
  expect(asked.at(-1)).toEqual({
    method: 'POST',
    path: '/v1/destinations/billing/replay?preview=true',
    body: { order: 'o-1' },
  })
})

test('quarantine list shows an entry with what was found, and retry has its order read again', async () => {
  const doubts = [{ path: 'refundedAmount', value: '"x\u001b[2J"', reason: 'expected an amount' }]
  await api.seed('shop', 'o-1', { doubts })
  const [entry] = await jsonLines(context => listQuarantine(context, { order: 'o-1' }))
  const text = await printed(context => listQuarantine(context, { connection: 'shop' }))
  expect(text).toContain('shop/o-1  refundedAmount: expected an amount (found "x\\u001b[2J")')
  expect(await printed(context => retryQuarantine(context, entry.id))).toContain('is read again soon')
  expect(await failure(context => retryQuarantine(context, 'no'))).toContain('no quarantine entry')
  expect(await jsonLines(context => listQuarantine(context, { order: 'unknown' }))).toEqual([])
})
