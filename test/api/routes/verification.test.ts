import { afterEach, beforeEach, expect, test } from 'vitest'
import { VerifyLine } from '../../../schemas/verify-line.ts'
import { answerPoll } from '../../../src/ingest/poll-request.ts'
import { until } from '../../helpers/until.ts'
import { env, type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const linesOf = (text: string): VerifyLine[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map(line => VerifyLine.parse(JSON.parse(line)))

test('answers line by line, the summary last', async () => {
  await api.seed('shop', '1')
  const { status, headers, text } = await api.call('GET', '/v1/verify')
  expect([status, headers.get('content-type')]).toEqual([200, 'application/jsonl'])
  expect(linesOf(text).at(-1)).toMatchObject({ type: 'summary', problems: 0, orders: 1, events: 2 })
})

test('compares the orders of enabled connections with what the vendor shows', async () => {
  await api.seed('shop', '1')
  await api.seed('off', '2')
  const asked: string[] = []
  api.parts.read = async (connection, orders) => {
    asked.push(`${connection} ${orders.map(({ orderId }) => orderId)}`)
    return { snapshots: [], rejects: [] }
  }
  const { text } = await api.call('GET', '/v1/verify?againstVendor=true&orders=5')
  expect(asked).toEqual(['shop 1'])
  const found = linesOf(text).filter(({ type }) => type !== 'progress')
  expect(found.map(line => (line.type === 'connection' ? line.connection : line.type))).toEqual([
    'finding',
    'shop',
    'kk',
    'tuya',
    'summary',
  ])
})

test('mends only where it is posted, and then has the dispatcher look', async () => {
  const [event] = await api.seed('shop', '1')
  if (!event) throw new Error('there is an event')
  await api.store.offsets.set('dispatch', 0, 99)
  expect(linesOf((await api.call('GET', '/v1/verify')).text).at(-1)).toMatchObject({ problems: 1, repaired: 0 })
  expect(api.parts.asked).toEqual([])
  expect(linesOf((await api.call('POST', '/v1/verify')).text).at(-1)).toMatchObject({ problems: 0, repaired: 1 })
  expect(api.parts.asked).toEqual(['wake dispatch'])
  expect(await api.store.offsets.get('dispatch', 0)).toBe(0)
})

test('tells that the event log went back, and where its positions do not fit it now', async () => {
  api.parts.logNotice = 'The event log went back: partition 3.'
  expect(linesOf((await api.call('GET', '/v1/verify')).text)).toMatchObject([
    { type: 'finding', check: 'event_log.went_back', severity: 'info', what: 'The event log went back: partition 3.' },
    { type: 'summary', problems: 0, infos: 1 },
  ])
  api.parts.logNotice = null
  api.parts.logContradiction = 'partition 3 ends at 4, and group "g" is at 20'
  expect(linesOf((await api.call('GET', '/v1/verify')).text)).toMatchObject([
    { type: 'finding', check: 'event_log.misfit', severity: 'problem', what: api.parts.logContradiction },
    { type: 'summary', problems: 1 },
  ])
})

test('where this process does not poll, the one that does reads the orders', async () => {
  const face = await openHarness({ ingest: null })
  await face.seed('shop', '1')
  const answer = face.call('GET', '/v1/verify?againstVendor=true&connection=shop')
  await until('it is asked for', async () => {
    const [request] = await face.store.pollRequests.take(['shop'], NOW)
    if (!request) return false
    await answerPoll(face.store.pollRequests, request, async asked => {
      expect(asked).toEqual({ read: [{ orderId: '1', userId: null }] })
      return { snapshots: [], rejects: [] }
    })
    return true
  })
  expect(linesOf((await answer).text)).toContainEqual(expect.objectContaining({ type: 'connection', notFound: 1 }))
  await face.close()
})

test('one at a time; the next may begin when the reader has gone', async () => {
  for (let index = 0; index < 5; index++) await api.seed('shop', `${index}`)
  const response = await api.app.request('/v1/verify', {}, env())
  const reader = response.body?.getReader()
  await reader?.read()
  expect((await api.call('GET', '/v1/verify')).status).toBe(503)
  await reader?.cancel()
  expect((await api.call('GET', '/v1/verify')).status).toBe(200)
  expect((await api.call('GET', '/v1/verify')).status).toBe(200)
})

test('what breaks it off is its last line', async () => {
  Object.assign(api.store.verify, { events: () => Promise.reject(new Error('the disk is gone')) })
  const { text } = await api.call('GET', '/v1/verify')
  expect(linesOf(text).at(-1)).toEqual({ type: 'error', detail: 'the disk is gone' })
})

test.each([
  ['orders=5', 400],
  ['againstVendor=true&orders=0', 400],
  ['againstVendor=yes', 400],
  ['connection=nowhere', 400],
  ['connection=off&againstVendor=true', 409],
  ['connection=off', 200],
])('GET /v1/verify?%s is %d', async (query, status) => {
  expect((await api.call('GET', `/v1/verify?${query}`)).status).toBe(status)
})

test('HEAD looks at nothing', async () => {
  expect(await api.call('HEAD', '/v1/verify')).toMatchObject({ status: 200, text: '' })
  expect((await api.call('GET', '/v1/verify')).status).toBe(200)
})
