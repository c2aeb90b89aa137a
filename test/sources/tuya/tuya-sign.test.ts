import { describe, expect, test } from 'vitest'
import { tuyaEncode, tuyaSign, tuyaUrl } from '../../../src/sources/tuya/tuya-sign.ts'

/** The vendor's own known answers. */
const KNOWN = {
  clientId: '1KAD46OrT9HafiKdsXeg',
  secret: '4OHBOnWOqaEC1mWXOpVL3yV50s0qGSRC',
  t: '1588925778000',
  nonce: '5138cc3a9033d69856923fd07b491173',
  method: 'GET',
  headers: [
    ['area_id', '29a33e8796834b1efa6'],
    ['call_id', '8afdb70ab2ed11eb85290242ac130003'],
  ],
} as const

describe('the signature', () => {
  test("of a token call is the vendor's known answer", () => {
    expect(tuyaSign({ ...KNOWN, url: tuyaUrl('/v1.0/token', { grant_type: 1 }) })).toBe(
      '9E48A3E93B302EEECC803C7241985D0A34EB944F40FB573C7B5C2A82158AF13E',
    )
  })

  test("of a business call is the vendor's known answer, whatever order the parameters come in", () => {
    const signed = { ...KNOWN, accessToken: '3f4eda2bdec17232f67c0b188af3eec1' }
    for (const query of [
      { page_no: 1, page_size: 50 },
      { page_size: 50, page_no: 1 },
    ])
      expect(tuyaSign({ ...signed, url: tuyaUrl('/v2.0/apps/schema/users', query) })).toBe(
        'AE4481C692AA80B25F3A7E12C3A5FD9BBF6251539DD78E565A1A72A508A88784',
      )
  })
})

describe('the URL', () => {
  test('has its parameters sorted, and no question mark without any', () => {
    expect(tuyaUrl('/x', { b: 2, a_b: 1, a: 3 })).toBe('/x?a=3&a_b=1&b=2')
    expect(tuyaUrl('/x')).toBe('/x')
  })

  test('is encoded only where it would be another one without', () => {
    expect(tuyaEncode('az_eu:123,4@x-~.')).toBe('az_eu:123,4@x-~.')
    expect(tuyaEncode('a b&c=d/e?f#g+h%é')).toBe('a%20b%26c%3Dd%2Fe%3Ff%23g%2Bh%25%C3%A9')
  })
})
