import { expect, test } from 'vitest'
import { ALERT_NAMES } from '../../schemas/alert.ts'
import type { Notice } from '../../src/alerts/evaluate.ts'
import { slackBody, standardBody, writeNotice } from '../../src/alerts/notice-body.ts'

const AT = Date.parse('2026-03-01T10:05:00Z')
const SINCE = Date.parse('2026-03-01T10:00:00Z')
const notice = (own: Partial<Notice> = {}): Notice => ({
  name: 'endpoint.failing',
  kind: 'endpoint',
  id: 'billing',
  at: AT,
  since: SINCE,
  reason: 'answered 500',
  count: null,
  ...own,
})

test('a notice is a CloudEvent with the reason, since when, and what to do', () => {
  const body = JSON.parse(standardBody(writeNotice(notice()), 'https://orders.example'))
  expect(body).toEqual({
    specversion: '1.0',
    id: expect.stringMatching(/^alert_[0-9a-f]{24}$/),
    source: '/alerts',
    type: 'orderwire.alert.endpoint.failing',
    subject: 'endpoint/billing',
    time: '2026-03-01T10:05:00.000Z',
    datacontenttype: 'application/json',
    data: {
      endpoint: 'billing',
      text: 'Endpoint billing has failed since 2026-03-01T10:00:00.000Z: answered 500. Its events wait; repair the receiver, and they are delivered in order.',
      reason: 'answered 500',
      since: '2026-03-01T10:00:00.000Z',
      console: 'https://orders.example',
    },
  })
})

test('a Slack message is the text with a link to the console, where its address is known', () => {
  const written = writeNotice(notice({ name: 'dead-letter', kind: 'destination', count: 3 }))
  const { text } = JSON.parse(slackBody(written, 'https://orders.example/?a=1&b=|'))
  expect(text).toBe(
    'At billing, 3 events became dead letters since 2026-03-01T10:00:00.000Z; the latest error: answered 500. Once the cause is removed, run `orderwire dead-letters redrive --to billing`. <https://orders.example/?a=1&amp;b=%7C|Open the console>',
  )
  expect(JSON.parse(slackBody(written, null)).text).not.toContain('<')
})

test('other people’s words carry no control characters, secrets or mail addresses, are short, and mention nobody', () => {
  const reason = `\u001b[31m<!channel> <https://evil.example|click>\r\nBcc: you\u202e \u0000 token=abcdef123456 whsec_AAAABBBB eve@shop.example ${'x'.repeat(5_000)}`
  const written = writeNotice(notice({ reason }))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(written.text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
  expect(written.text).not.toMatch(/abcdef123456|whsec_AAAA|eve@shop/)
  expect(written.text.length).toBeLessThan(600)
  const { text } = JSON.parse(slackBody(written, null))
  expect(text).toContain('&lt;!channel&gt; &lt;https://evil.example|click&gt;')
  expect(text).not.toContain('<')
})

test.each(ALERT_NAMES)('the text of %s is one or two sentences that name the subject', name => {
  const kind = name.startsWith('endpoint') ? 'endpoint' : name === 'dead-letter' ? 'destination' : 'connection'
  for (const count of [1, 7])
    for (const since of [null, SINCE])
      for (const reason of [null, 'it says no.']) {
        const { text } = writeNotice(notice({ name, kind, count, since, reason }))
        expect(text).toContain('billing')
        expect(text).toMatch(/\.$/)
        expect(text).not.toMatch(/null|undefined|\.\.|1 events/)
        expect(text.match(/[.:;] /g)?.length ?? 0).toBeLessThanOrEqual(3)
      }
})

test('the same notice has the same id for every receiver, and the next one another', () => {
  expect(writeNotice(notice()).id).toBe(writeNotice(notice()).id)
  expect(writeNotice(notice({ at: AT + 1 })).id).not.toBe(writeNotice(notice()).id)
})
