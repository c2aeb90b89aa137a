import { describe, expect, test } from 'vitest'
import { Config } from '../../schemas/config.ts'
import { proxiesOf } from '../../src/config/proxies.ts'
import { complaintsOf } from '../../src/lib/explain.ts'

const read = (network: unknown, env: NodeJS.ProcessEnv = {}, more: object = {}) =>
  proxiesOf(Config.parse({ ...more, ...(network !== undefined && { network }) }), env)

describe('the forward proxies', () => {
  test('are none where none is named', () => {
    expect(read(undefined)).toEqual({ vendors: null, webhooks: null })
    expect(read({ allow: [] }, { HTTPS_PROXY: ' ' })).toEqual({ vendors: null, webhooks: null })
  })

  test('of the configuration are for vendors and webhooks, whatever the environment says', () => {
    const env = { HTTPS_PROXY: 'http://other:1', NO_PROXY: '*' }
    const proxy = { url: new URL('http://proxy:3128'), except: [], httpsOnly: false }
    expect(read({ proxy: 'http://proxy:3128' }, env)).toEqual({ vendors: proxy, webhooks: proxy })
    const { webhooks } = read({ proxy: { url: 'http://proxy:3128', except: ['.internal', '10.0.0.0/8'] } })
    expect(webhooks?.except).toEqual(['.internal', '10.0.0.0/8'])
  })

  test.each([
    [{ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'a.example, .b.example' }, 'http://proxy:3128/'],
    [{ https_proxy: 'proxy:3128', no_proxy: 'a.example .b.example', NO_PROXY: 'c' }, 'http://proxy:3128/'],
  ])('of the environment (%o) are for the https addresses of vendors only', (env, url) => {
    const { vendors, webhooks } = read(undefined, env)
    expect(webhooks).toBeNull()
    expect(vendors).toMatchObject({ except: ['a.example', '.b.example'], httpsOnly: true })
    expect(vendors?.url.href).toBe(url)
  })

  test('never stand between a process and what it simulates on this machine', () => {
    const { vendors } = read({ proxy: 'http://proxy:3128' }, {}, { sandbox: {} })
    expect(vendors?.except).toEqual(['localhost', '127.0.0.0/8', '::1'])
  })

  test('of another kind are refused, without a word of what they hold', () => {
    for (const HTTPS_PROXY of ['socks5://us:hidden@proxy:1', 'http://us:hidden@'])
      expect(() => read(undefined, { HTTPS_PROXY })).toThrow(
        /^HTTPS_PROXY: expected the http:\/\/ or https:\/\/ URL of a forward proxy, found something else$/,
      )
    for (const proxy of ['socks5://us:hidden@proxy', { url: 'ftp://us:hidden@proxy' }]) {
      const input = { network: { proxy } }
      const { error } = Config.safeParse(input)
      const complaints = error ? complaintsOf(error, input) : []
      expect(complaints).toMatchObject([{ expected: 'the http:// or https:// URL of a forward proxy' }])
      expect(complaints[0]?.found).not.toContain('hidden')
    }
  })
})
