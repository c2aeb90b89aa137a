import { afterEach, beforeEach, expect, test } from 'vitest'
import { groupOf } from '../../src/console/groups.ts'
import { AppError } from '../../src/lib/errors.ts'
import { NOW } from '../api/harness.ts'
import type { Browser } from './browser.ts'
import { createRig } from './rig.ts'
import { type Filled, fillWorld } from './world.ts'

let rig: Awaited<ReturnType<typeof createRig>>
let world: Filled
let browser: Browser
beforeEach(async () => {
  rig = await createRig()
  world = await fillWorld(rig.api, 'column "sku" too short')
  browser = rig.browser()
})
afterEach(() => rig.close())

test("the overview names what fails in the receiver's own words, with buttons that help", async () => {
  const { text } = await browser.open('/')
  expect(text).toMatch(/need attention/)
  expect(text).toContain('billing did not get 1 event')
  expect(text).toContain('column "sku" too short')
  const { text: after } = await browser.submit('/dead-letters/redrive')
  expect(after).toContain('1 event queued again, in order.')
  expect(await rig.api.store.deadLetters.count({})).toBe(0)
})

test('a message stays over refreshes and pages until it is dismissed', async () => {
  rig.api.parts.poll = async () => {
    throw new AppError('The shop answered 503: down for the night.', { code: 'vendor.http', intent: 'retry' })
  }
  await browser.open('/connections/shop')
  const failed = await browser.submit('/connections/shop/poll')
  expect(failed.path).toBe('/connections/shop')
  for (const path of ['/connections/shop', '/connections/shop', '/orders']) {
    const { text, html } = await browser.open(path)
    expect(text).toContain('The shop answered 503: down for the night.')
    expect(html).toContain('role="alert"')
  }
  const { text } = await browser.submit('/dismiss')
  expect(text).not.toContain('down for the night')
})

test('a message of another session or another hand is not shown', async () => {
  await browser.open('/destinations/audit')
  await browser.submit('/destinations/audit/pause')
  const [payload = ''] = (browser.cookies.get('orderwire_message') ?? '').split('.')
  browser.cookies.set('orderwire_message', `${payload}.forged`)
  expect((await browser.open('/')).text).not.toContain('audit is paused')
})

test('a poll that worked says what it found', async () => {
  rig.api.parts.poll = async () => ({ orders: 2, events: [], quarantined: 1 })
  await browser.open('/connections/shop')
  const { text } = await browser.submit('/connections/shop/poll')
  expect(text).toContain('shop was read: 2 changed orders, 0 new events. 1 entry went to quarantine.')
})

test('a destination is paused, resumed and tried at once', async () => {
  await browser.open('/destinations/billing')
  await browser.submit('/destinations/billing/pause')
  expect((await rig.api.store.endpoints.get('billing'))?.state).toBe('paused')
  const { text } = await browser.submit('/destinations/billing/resume')
  expect(text).toContain('billing goes on')
  expect((await browser.submit('/destinations/billing/retry')).text).toMatch(/\d events of billing are tried now/)
  const due = { destination: 'billing', now: NOW, limit: 10, owned: null, skip: new Set<string>() }
  expect(await rig.api.store.lanes.due(due)).not.toHaveLength(0)
})

test('a destination shows why it fails: the answers grouped, with the latest body', async () => {
  const { text } = await browser.open('/destinations/billing')
  expect(text).toContain('500 × 3')
  expect(text).toContain('column "sku" too short second line')
})

test('a replay is previewed with numbers before it is queued', async () => {
  await browser.open('/destinations/billing')
  const preview = await browser.open('/destinations/billing?replay=1&order=1005')
  expect(preview.text).toMatch(/\d+ events of 1 order, about \d+ s/)
  const { text } = await browser.submit('/destinations/billing/replay', { order: '1005' })
  expect(text).toMatch(/\d+ events queued for billing again/)
  expect(rig.api.parts.asked.some(asked => asked.startsWith('replay billing'))).toBe(true)
})

test('a test shows what was sent and answered, and only to the session that asked', async () => {
  await browser.open('/destinations/billing')
  const { text, path } = await browser.submit('/destinations/billing/test', { type: 'order.paid' })
  expect(text).toContain('answered 204')
  const stranger = rig.browser()
  await stranger.open('/')
  expect((await stranger.open(path)).text).not.toContain('Answered 204')
})

test('a rotated secret is shown once', async () => {
  await browser.open('/destinations/billing')
  const { html, path } = await browser.submit('/destinations/billing/rotate')
  expect(html).toContain(`whsec_${'A'.repeat(32)}`)
  expect((await browser.open(path)).html).not.toContain('whsec_')
})

test('an endpoint is added, changed, and removed only when its id is typed', async () => {
  await browser.open('/destinations/new')
  const added = await browser.submit('/destinations/new', {
    url: 'https://a.example/',
    id: 'fresh',
    types: ['order.paid'],
  })
  expect(added.text).toContain('The endpoint fresh was added')
  expect(added.html).toContain('whsec_')
  await browser.submit('/destinations/fresh/settings', {
    url: 'https://b.example/',
    filter: '{"data.order.currency":["EUR"]}',
  })
  expect(await rig.api.store.endpoints.get('fresh')).toMatchObject({
    url: 'https://b.example/',
    types: ['order.paid'],
    filter: { 'data.order.currency': ['EUR'] },
  })
  const wrong = await browser.submit('/destinations/fresh/settings', { filter: '{"nope":["EUR"]}' })
  expect(wrong.text).toContain('filter.nope')
  await browser.submit('/destinations/fresh/remove', { typed: 'fres' })
  expect(await rig.api.store.endpoints.get('fresh')).not.toBeNull()
  await browser.submit('/destinations/fresh/remove', { typed: 'fresh' })
  expect(await rig.api.store.endpoints.get('fresh')).toBeNull()
})

test('a filter is tried on the newest events, and a wrong one is explained', async () => {
  const tried = await browser.open(
    `/destinations/billing?filter=${encodeURIComponent('{"data.orderNumber":["1005"]}')}`,
  )
  expect(tried.text).toMatch(/2 of the last 5 events match/)
  expect((await browser.open('/destinations/billing?filter=%7B')).text).toContain('This is no JSON')
  expect((await browser.open(`/destinations/billing?filter=${encodeURIComponent('{"nope":["x"]}')}`)).text).toContain(
    'nope',
  )
})

test('dead letters: the chosen ones, none, or all that match; discards need a reason', async () => {
  const group = `/dead-letters?destination=billing&group=${groupOf(world.error)}`
  await browser.open(group)
  const none = await browser.submit('/dead-letters/redrive', { scope: 'chosen' })
  expect(none.text).toContain('choose at least one')
  await browser.open(group)
  const { html } = await browser.open(group)
  expect(html).toContain('Redrive all 1 that match')
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const noReason = await browser.post('/dead-letters/discard', { token, scope: 'chosen', ids: world.letter })
  expect(noReason.text).toContain('reason')
  expect(await rig.api.store.deadLetters.count({})).toBe(1)
  const { text } = await browser.post('/dead-letters/discard', {
    token,
    scope: 'chosen',
    ids: world.letter,
    reason: 'old',
  })
  expect(text).toContain('1 dead letter discarded')
  expect(await rig.api.store.deadLetters.count({})).toBe(0)
})

test('two operators who redrive the same group: one queues it, the other hears that somebody was first', async () => {
  const group = `/dead-letters?destination=billing&group=${groupOf(world.error)}`
  const other = rig.browser()
  await Promise.all([browser.open(group), other.open(group)])
  const answers = [
    await browser.submit('/dead-letters/redrive', { scope: 'all' }),
    await other.submit('/dead-letters/redrive', { scope: 'all' }),
  ]
  expect(answers.map(({ text }) => /1 event queued again/.test(text))).toEqual([true, false])
  expect(answers[1]?.text).toContain('somebody else was first')
})

test('a redrive is followed: how many were delivered, failed again, or were not tried yet', async () => {
  await browser.open('/dead-letters')
  const asked = await browser.submit('/dead-letters/redrive')
  expect(asked.text).toContain('1 event queued: 0 delivered, 1 not tried yet.')
  const { first } = world
  await rig.api.store.deliveries.record([
    {
      ...{ destination: 'billing', eventId: first.id, orderKey: first.orderKey, attempt: 1, at: NOW + 5 },
      ...{ outcome: 'delivered', statusCode: 204, ms: 3, error: null, response: null, origin: 'redrive' },
    },
  ])
  expect((await browser.open('/dead-letters')).text).toContain('1 event queued: 1 delivered.')
})

test('an entry of the quarantine, and a group of them, are read again', async () => {
  await browser.open('/quarantine')
  expect((await browser.submit(`/quarantine/${world.entry}/retry`)).text).toContain('read again soon')
  await browser.open('/quarantine')
  expect((await browser.submit('/quarantine/group')).text).toContain('1 order of shop are read again')
  expect(rig.api.parts.asked).toContain(`refetch shop ${world.orderId}`)
})

test('an order shows its timeline as a picture and in sentences, and compares itself with the vendor', async () => {
  const { text, html } = await browser.open('/orders/shop/calm-1')
  expect(html).toContain('<svg class="timeline"')
  expect(text).toContain('It waits for billing after 1 failed attempt')
  expect(text).toContain('The latest attempt: column "sku" too short')
  rig.api.parts.poll = async (_, { dryRun }) => ({ orders: 1, events: dryRun ? [world.paid] : [], quarantined: 0 })
  const compared = await browser.submit('/orders/shop/calm-1/compare')
  expect(compared.text).toContain('The vendor shows 1 fact')
  const read = await browser.submit('/orders/shop/calm-1/read')
  expect(read.text).toContain('It shows nothing new')
})

test('an event is resent to a destination that takes it', async () => {
  await browser.open(`/events/${world.paid.id}`)
  const { text } = await browser.submit(`/events/${world.paid.id}/resend`, { destination: 'billing' })
  expect(text).toContain('queued for billing again')
  const { headers, html } = await browser.open(`/events/${world.paid.id}/download`)
  expect(headers.get('content-disposition')).toBe(`attachment; filename="${world.paid.id}.json"`)
  expect(html).toBe(world.paid.body)
})

test('new events are offered, and push nothing away that is being read', async () => {
  const { html } = await browser.open('/events')
  const path = /hx-get="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  expect((await browser.open(path)).text).toContain('No newer event')
  await rig.api.seed('kk', 'new-1')
  expect((await browser.open(path)).text).toContain('2 new, show')
})

test('a backfill is asked for, and shown with its progress', async () => {
  await browser.open('/connections/kk')
  const { text } = await browser.submit('/connections/kk/backfill', { since: '2026-03-01' })
  expect(text).toContain('kk reads the span again')
  expect(text).toContain('waiting')
})

test('the verification runs beside the page, which shows what it finds', async () => {
  await browser.open('/settings')
  await browser.submit('/settings/verify')
  await expect.poll(async () => (await browser.open('/settings')).text, { timeout: 20_000 }).toContain('Looked at')
})

test('a key is made, shown once, and removed', async () => {
  // The first key ends what is open without one: sign in with it.
  await browser.open('/settings')
  const { html } = await browser.submit('/settings/keys', { name: 'night shift', role: 'admin' })
  expect(html).toContain('Sign in')
})

test('deliveries of a destination are filtered by outcome, answer, event type, order and time', async () => {
  const rows = async (query: string) => {
    const { html } = await browser.open(`/destinations/billing?${query}`)
    const panel = html.slice(html.indexOf('id="deliveries"'), html.indexOf('id="replay"'))
    return (panel.match(/<tr>/g)?.length ?? 1) - 1
  }
  expect(await rows('')).toBe(4)
  expect(await rows('outcome=dead')).toBe(1)
  expect(await rows('answer=5xx')).toBe(3)
  expect(await rows('answer=3xx')).toBe(0)
  expect(await rows('type=order.paid')).toBe(2)
  expect(await rows('type=order.paid&of=calm-1')).toBe(1)
  expect(await rows(`to=${new Date(NOW - 60_000).toISOString()}`)).toBe(0)
  const { text, html } = await browser.open('/destinations/billing?answer=3xx')
  expect(text).toContain('No delivery is like this.')
  expect(html.match(/ id="([^"]+)"/g)?.filter((id, at, all) => all.indexOf(id) !== at)).toEqual([])
})

test('a list that was not looked through to its end says so, and goes on', async () => {
  const { store } = rig.api
  const attempt = { destination: 'audit', orderKey: 'shop/other', attempt: 1, at: NOW, outcome: 'delivered' as const }
  const acknowledged = { ...attempt, statusCode: null, ms: 1, error: null, response: null, origin: 'live' as const }
  await store.deliveries.record(
    Array.from({ length: 11_000 }, (_, index) => ({ ...acknowledged, eventId: `evt_other_${index}` })),
  )
  const { text, html } = await browser.open('/destinations/audit?type=order.refunded')
  expect(text).toContain('None of the latest deliveries is like this.')
  const next = /href="([^"]+)#deliveries">Look further back/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  for (let path = next, page = 0; path !== '' && page < 9; page++) {
    const further = await browser.open(path)
    path = /href="([^"]+)#deliveries">Look further back/.exec(further.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
    if (path === '') expect(further.text).toContain('No delivery is like this.')
  }
})

test('the settings show how large the store is, and which process holds which lease', async () => {
  await rig.api.store.leases.acquire('connection/shop', 'another', 60_000, NOW)
  const { text } = await browser.open('/settings')
  expect(text).toMatch(/Size on disk [\d.,]+ (kB|MB)/)
  expect(text).toMatch(/connection\/shop another in 60 s|connection\/shop another in 1 min/)
})

test('new quarantine entries are offered, and push nothing away that is being read', async () => {
  const { html, text } = await browser.open('/quarantine')
  expect(text).toContain('No newer entry.')
  const path = /hx-get="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const doubts = [{ path: 'total', value: '"x"', reason: 'expected an amount' }]
  await rig.api.seed('shop', 'odd-1', { doubts })
  const later = await browser.open(path)
  expect(later.text).toContain('1 new, show')
  expect(later.html).toContain('class="button primary" href="/quarantine"')
  expect((await browser.open('/quarantine')).text).toContain('No newer entry.')
})
