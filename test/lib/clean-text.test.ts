import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanReason, cutText, maskContacts, withoutControls } from '../../src/lib/clean-text.ts'
import { webAddress } from '../../src/lib/web-address.ts'

describe('a reason in an event', () => {
  test.each([
    ['write to jane.doe+shop@mail.example.co.uk, please', 'write to [email], please'],
    ['<jane@example.com>', '<[email]>'],
    ['mailto:jane@example.com?subject=x', '[email]'],
    ['姓名＠例子.公司 不要了', '[email] 不要了'],
    ['call me: +49 (0)151 2345-6789!', 'call me: [phone]!'],
    ['13800138000不要了', '[phone]不要了'],
    ['tel ０９０-１２３４-５６７８', 'tel [phone]'],
    ['٠١٢٣٤٥٦٧٨', '[phone]'],
    ['555.123.4567 or 555/123/4567', '[phone] or [phone]'],
    ['ordered 2 of 3, size 42, 100.50 EUR', 'ordered 2 of 3, size 42, 100.50 EUR'],
    ['meet @ noon', 'meet @ noon'],
  ])('%j is published as %j', (text, published) => {
    expect(cleanReason(text)).toBe(published)
  })

  test('is masked before it is cut, so that no half of an address is left', () => {
    const reason = cleanReason(`${'x'.repeat(180)} somebody.with.a.long.name@example.com`)
    expect(reason).toBe(`${'x'.repeat(180)} [email]`)
  })

  test('is cut to 200 characters and never inside one', () => {
    expect(cleanReason('😀'.repeat(300))).toBe('😀'.repeat(200))
    expect(cutText('a😀b', 2)).toBe('a😀')
  })

  test('has no control characters, and spaces where there were line breaks', () => {
    expect(cleanReason('no\r\nlonger\twanted\u001b[31m\u0000\u009b\u202e')).toBe('no longer wanted[31m')
    expect(cleanReason('\u0000\u0007')).toBeNull()
  })

  test('holds none of these, whatever the text is, and cleaning it again changes nothing', () => {
    const text = fc.array(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a@b.c', '+1 555 1234567', '\n', '\ud800')),
    )
    fc.assert(
      fc.property(text, parts => {
        const reason = cleanReason(parts.join(' ')) ?? ''
        expect([...reason].length).toBeLessThanOrEqual(200)
        expect(/\p{Cc}/u.test(reason) || /\S@\S/.test(reason) || /\d{7}/.test(reason)).toBe(false)
        expect(reason.isWellFormed()).toBe(true)
        expect(cleanReason(reason) ?? '').toBe(reason)
      }),
      { numRuns: 300 },
    )
  })

  test('is cleaned in a time that grows with its length only', () => {
    for (const part of ['1', '1 ', '+(', 'a', 'a@', '(1'])
      expect(withoutControls(maskContacts(part.repeat(200_000))).length).toBeGreaterThan(0)
  }, 20_000)
})

describe('a tracking link in an event', () => {
  test.each(['https://track.example/?n=1Z9', 'http://track.example', 'HTTPS://track.example/a b'])(
    '%s is kept',
    text => {
      expect(webAddress(text)).toBe(text)
    },
  )

  test.each([
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    'ftp://track.example',
    'file:///etc/passwd',
    '//track.example',
    'track.example/1Z9',
    'https:track.example',
    'https:///\\evil.example',
    'https://user:secret@track.example',
    'https://user@track.example',
    'https://track.example/\u001b]0;',
    'https://',
    'http://[::1',
  ])('%j becomes null', text => {
    expect(webAddress(text)).toBeNull()
  })
})
