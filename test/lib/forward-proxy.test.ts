import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Agent, buildConnector, request } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { type ForwardProxy, goesThrough, throughProxy } from '../../src/lib/forward-proxy.ts'
import { forwardProxy } from '../helpers/forward-proxy.ts'
import { selfSigned } from '../helpers/self-signed.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const proxyOf = (url: string, own: Partial<ForwardProxy> = {}): ForwardProxy => ({
  url: new URL(url),
  except: [],
  httpsOnly: false,
  ...own,
})

describe('what goes through a forward proxy', () => {
  const through = (address: string, own: Partial<ForwardProxy> = {}) => {
    const { protocol, hostname, port } = new URL(address)
    const target = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || 443 }
    return goesThrough(proxyOf('http://proxy:3128', own), target)
  }

  test.each([
    ['example.com', 'https://example.com', false],
    ['example.com', 'https://shop.example.com', false],
    ['.example.com', 'https://shop.example.com', false],
    ['*.example.com', 'https://shop.example.com', false],
    ['EXAMPLE.com', 'https://Example.Com.', false],
    ['example.com', 'https://notexample.com', true],
    ['example.com', 'https://example.com.evil.net', true],
    ['example.com:8443', 'https://example.com:8443', false],
    ['example.com:8443', 'https://example.com', true],
    ['10.0.0.0/8', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://11.1.2.3', true],
    ['10.0.0.0/8', 'https://ten.example', true],
    ['fd00::/8', 'https://[fd00::1]', false],
    ['::1', 'https://[::1]', false],
    ['[::1]:8443', 'https://[::1]:8443', false],
    ['*', 'https://anything.example', false],
    ['.', 'https://anything.example', true],
    [':443', 'https://anything.example', true],
  ])('with the exception %s: %s is %s', (entry, address, expected) => {
    expect(through(address, { except: [entry] })).toBe(expected)
  })

  test('is https only where the proxy is for that', () => {
    expect(through('http://shop.example', { httpsOnly: true })).toBe(false)
    expect(through('https://shop.example', { httpsOnly: true })).toBe(true)
  })
})

describe('a connection through a forward proxy', () => {
  async function target() {
    const server = createServer(selfSigned(), (_, response) => response.end('the target'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(() => new Promise(resolve => server.close(resolve)))
    return `https://shop.example:${(server.address() as AddressInfo).port}/`
  }

  function agentThrough(proxy: ForwardProxy, timeoutMs = 5_000) {
    const clock = systemClock()
    const direct = buildConnector({ rejectUnauthorized: false })
    const agent = new Agent({ connect: throughProxy(proxy, { clock, direct, tls: direct, timeoutMs }) })
    closing.push(() => agent.destroy())
    return async (url: string) => await (await request(url, { dispatcher: agent })).body.text()
  }

  test('reaches an https address whose name only the proxy knows, with the credentials of the URL', async () => {
    const url = await target()
    const proxy = await forwardProxy()
    closing.push(proxy.close)
    proxy.names.set('shop.example', '127.0.0.1')
    const get = agentThrough(proxyOf(proxy.url.replace('//', '//us%40er:p%3Ass@')))
    expect(await get(url)).toBe('the target')
    expect(proxy.asked).toEqual([new URL(url).host])
    expect(proxy.credentials).toEqual(['us@er:p:ss'])
  })

  test.each([
    [407, 'The forward proxy answered 407 to CONNECT shop.example:1: it wants a user name and password'],
    [403, 'The forward proxy answered 403 to CONNECT shop.example:1: it does not let us there'],
    [418, 'The forward proxy answered 418 to CONNECT shop.example:1.'],
  ])('that the proxy answers with %d says so, without the name of the proxy', async (answer, message) => {
    const proxy = await forwardProxy()
    closing.push(proxy.close)
    proxy.answer = answer
    const get = agentThrough(proxyOf(proxy.url.replace('//', '//user:secret@')))
    const error = await get('https://shop.example:1/').catch(error => error)
    expect(error).toMatchObject({ code: 'network.proxy', intent: 'retry', message: expect.stringContaining(message) })
    expect(error.message).not.toMatch(/secret|127\.0\.0\.1/)
  })

  test('that the proxy never opens ends in time, and so does one to a proxy that is not there', async () => {
    const proxy = await forwardProxy()
    closing.push(proxy.close)
    proxy.answer = 'hang'
    await expect(agentThrough(proxyOf(proxy.url), 50)('https://shop.example/')).rejects.toThrow(
      'made no connection to shop.example:443 within 50 ms',
    )
    await expect(agentThrough(proxyOf('http://127.0.0.1:9'))('https://shop.example/')).rejects.toThrow(
      'cannot be reached (ECONNREFUSED)',
    )
  })
})
