import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config-file.ts'
import { readSettings } from '../../src/config/environment.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** What is said of a configuration that is wrong: the key, what was expected, what was found, and nothing that may be secret. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

const SECRET = 'artificial-secret-of-a-test'
const kk = { id: 'kk', vendor: 'kakaclo', baseUrl: 'https://kk.example/openapi', token: 't' }
const hook = { id: 'hook', url: 'https://hooks.example/in' }
const variable = (name: string) => `$\{${name}}`

async function refusal(content: unknown, env: NodeJS.ProcessEnv = {}, ending = 'json'): Promise<string> {
  const path = join(folder.path, `${Math.random()}.${ending}`)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  const error = await loadConfig(path, env).then(
    () => null,
    (error: unknown) => error,
  )
  return error instanceof Error ? error.message : ''
}

const lines = async (content: unknown): Promise<string[]> => (await refusal(content)).split('\n').slice(1)

describe('a message names the key, what was expected and what was found', () => {
  test.each<[Record<string, unknown>, string]>([
    [
      { rateLimit: '0/s' },
      'rateLimit: expected a rate above 0 such as "2/s", "100/m", or { "perSecond": 2, "burst": 40 }, found "0/s"',
    ],
    [{ rateLimit: { perSecond: 2, burst: 1.5 } }, 'rateLimit.burst: expected a whole number, found 1.5'],
    [{ rateLimit: { perSecond: 'x' } }, 'rateLimit.perSecond: expected a number, found "x"'],
    [{ currency: 'eur' }, 'currency: expected an ISO 4217 currency, three capital letters such as "USD", found "eur"'],
    [{ vendor: 'etsy' }, 'vendor: expected "kakaclo" or "tuya" or "shoplazza" or "rest", found "etsy"'],
    [{ enabled: 'yes' }, 'enabled: expected true or false, found "yes"'],
    [{ pollEvery: '0s' }, 'pollEvery: expected a duration above 0, of 1ms or more, found "0s"'],
    [{ reconcile: { every: '0s' } }, 'reconcile.every: expected a duration above 0, of 1ms or more, found "0s"'],
    [{ pollEvery: '0.1ms' }, 'pollEvery: expected a duration above 0, of 1ms or more, found "0.1ms"'],
    [{ polEvery: '1s' }, 'polEvery: expected a known key, found an unknown key; remove it or check its spelling'],
    [{ token: 5 }, 'token: expected a string, found a number'],
  ])('of a connection with %j', async (own, says) => {
    expect(await lines({ connections: [{ ...kk, ...own }] })).toEqual([`  connections[0].${says} (connection "kk")`])
  })

  test.each<[Record<string, unknown>, string]>([
    [{ delivery: { concurrency: 0 } }, 'delivery.concurrency: expected at least 1, found 0'],
    [{ delivery: { timeout: '0s' } }, 'delivery.timeout: expected a duration above 0, of 1ms or more, found "0s"'],
    [
      { delivery: { retries: Array(51).fill('1s') } },
      'delivery.retries: expected at most 50 entries, found a list of 51',
    ],
    [{ types: [] }, 'types: expected at least 1 entry, found a list of 0'],
    [
      { headers: { 'content-length': SECRET } },
      'headers.content-length: expected a header that neither the sender nor HTTP sets itself, found "content-length"',
    ],
    [
      { filter: { 'data.curency': ['EUR'] } },
      'filter.data.curency: expected the path of a member that events have, such as "data.order.currency", found "data.curency"',
    ],
    [{ connections: ['kk', 'typo'] }, 'connections[1]: expected the id of a connection ("kk"), found "typo"'],
    [{ url: `https://u:${SECRET}@h/x` }, 'url: expected a URL without user name and password, found "https://…@h/…"'],
    [{ url: `u:a/b?${SECRET}@h` }, 'url: expected an http:// or https:// URL, found "…@h"'],
  ])('of an endpoint with %j', async (own, says) => {
    const config = { connections: [kk], endpoints: [{ ...hook, ...own }] }
    expect(await lines(config)).toEqual([`  endpoints[0].${says} (endpoint "hook")`])
  })

  test('of times that must be above 0', async () => {
    const message = await refusal({
      retention: { events: '0s', attempts: '0d', deadLetters: '0ms' },
      delivery: { timeout: '0m' },
    })
    for (const key of ['retention.events', 'retention.attempts', 'retention.deadLetters', 'delivery.timeout'])
      expect(message).toContain(`  ${key}: expected a duration above 0`)
  })

  test('of a history that is shorter than the retries, global ones and those of an endpoint', async () => {
    expect(await lines({ retention: { events: '1d' } })).toEqual([
      '  retention.events: expected at least the sum of `delivery.retries` (3d 3h by default); keep events longer or retry for less, found "1d"',
    ])
    const short = { retention: { events: '1h' }, delivery: { retries: ['30m', '29m'] } }
    expect(await refusal(short)).toBe('')
    expect(await lines({ ...short, delivery: { retries: ['30m', '31m'] } })).toEqual([
      '  retention.events: expected at least the sum of `delivery.retries` (1h 1m); keep events longer or retry for less, found "1h"',
    ])
    const endpoint = { id: 'hook', url: 'https://a.example/x', delivery: { retries: ['2h'] } }
    expect(await lines({ ...short, endpoints: [endpoint] })).toEqual([
      '  endpoints[0].delivery.retries: expected pauses of together at most `retention.events` (1h), and these are 2h, found a list (endpoint "hook")',
    ])
  })

  test('of a shop of Shoplazza without an API version', async () => {
    const shop = { id: 'shop', vendor: 'shoplazza', baseUrl: 'https://acme.example/openapi', accessToken: 't' }
    expect(await lines({ connections: [shop] })).toEqual([
      '  connections[0].apiVersion: expected an API version such as "2022-01", here or at the end of `baseUrl`, found nothing (connection "shop")',
    ])
    expect(await refusal({ connections: [{ ...shop, apiVersion: '2022-01' }] })).toBe('')
  })

  test('and short pauses and no overlap are fine', async () => {
    expect(await refusal({ connections: [{ ...kk, pollEvery: '50ms', overlap: '0s' }] })).toBe('')
    expect(await refusal({ connections: [{ ...kk, reconcile: { every: '2s' } }] })).toBe('')
    expect(await refusal({ connections: [{ ...kk, reconcile: false }] })).toBe('')
  })
})

describe('what the environment holds is not shown', () => {
  const env = { SHOP_TOKEN: SECRET }

  test.each(['pollEvery', 'currency', 'rateLimit', 'apiVersion', 'baseUrl', 'vendor'])('at %s', async key => {
    for (const value of [variable('SHOP_TOKEN'), `x ${variable('SHOP_TOKEN')}`]) {
      const message = await refusal({ connections: [{ ...kk, [key]: value }] }, env)
      expect(message).toContain(`connections[0].${key}: expected `)
      expect(message).toContain(`found what ${variable('SHOP_TOKEN')} holds`)
      expect(message).not.toContain(SECRET)
    }
  })

  test('among the ids that there are', async () => {
    const connections = [{ ...kk, id: variable('SHOP_TOKEN') }]
    const message = await refusal({ connections, endpoints: [{ ...hook, connections: ['typo'] }] }, env)
    expect(message).toContain(`the id of a connection ("${variable('SHOP_TOKEN')}"), found "typo"`)
    expect(message).not.toContain(SECRET)
  })

  test('where a module took it by itself', async () => {
    const connections = [{ ...kk, pollEvery: SECRET }]
    const message = await refusal(`export default ${JSON.stringify({ connections })}`, env, 'mjs')
    expect(message).toContain('found what the environment variable SHOP_TOKEN holds')
    expect(message).not.toContain(SECRET)
  })
})

describe('an address in the environment', () => {
  const settings = (env: NodeJS.ProcessEnv): string => {
    try {
      readSettings(env)
      return ''
    } catch (error) {
      return messageOf(error)
    }
  }

  test.each([
    { ORDERWIRE_URL: `http://u:${SECRET}@127.0.0.1:8080` },
    { ORDERWIRE_URL: `http://${SECRET}@127.0.0.1:8080` },
    { ORDERWIRE_URL: `http://127.0.0.1:8080/?key=${SECRET}` },
    { ORDERWIRE_URL: `${SECRET}://h` },
    { ORDERWIRE_PUBLIC_URL: `https://u:${SECRET}@orders.example` },
    { KAFKA_BROKERS: `u:${SECRET}@broker:9092` },
    { KAFKA_BROKERS: `u:${SECRET},x@broker:9092` },
    { KAFKA_BROKERS: `${SECRET}@broker:9092` },
  ])('that carries a secret is refused without showing it: %j', env => {
    const [name = ''] = Object.keys(env)
    expect(settings(env)).toMatch(new RegExp(`^${name}: expected .*, found `))
    expect(settings(env)).not.toContain(SECRET)
  })

  test('that carries none is taken', () => {
    expect(settings({ ORDERWIRE_URL: 'https://orders.example/wire/', KAFKA_BROKERS: 'a:1, b:2,[::1]:3' })).toBe('')
  })
})

describe('ORDERWIRE_PUBLIC_URL', () => {
  const key = 'an-artificial-key-of-32-characters'

  test('may be several addresses', () => {
    const urls = 'https://orders.example.com, http://intranet.example:8080'
    const { publicUrls } = readSettings({ ORDERWIRE_API_KEY: key, ORDERWIRE_PUBLIC_URL: urls })
    expect(publicUrls).toEqual(['https://orders.example.com', 'http://intranet.example:8080'])
    expect(readSettings({}).publicUrls).toEqual([])
  })

  test('without a key is a wrong configuration: others reach the service there', () => {
    expect(() => readSettings({ ORDERWIRE_PUBLIC_URL: 'https://orders.example.com' })).toThrow(
      expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining('ORDERWIRE_API_KEY') }),
    )
  })

  test.each(['https://orders.example.com,ftp://x', 'https://a.example,https://u:p@b.example', 'orders.example.com'])(
    '%s is refused',
    text => {
      expect(() => readSettings({ ORDERWIRE_API_KEY: key, ORDERWIRE_PUBLIC_URL: text })).toThrow('ORDERWIRE_PUBLIC_URL')
    },
  )
})
