import { describe, expect, test } from 'vitest'
import { checkUrl, createGuard, type Resolve } from '../../../src/destinations/webhooks/egress.ts'
import { createSender } from '../../../src/destinations/webhooks/send.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createReceiver } from '../../helpers/receiver.ts'

const HOSTILE = [
  // loopback, in every notation a URL knows
  'http://127.0.0.1/',
  'http://127.1/',
  'http://127.0.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.0.0.1/',
  'http://0x7f.1/',
  'http://017700000001/',
  'http://0177.0.0.1/',
  'http://127.000.000.001/',
  'http://127.0.0.1./',
  'http://127.255.255.254:8080/',
  'http://１２７.０.０.１/',
  'http://①②⑦.⓪.⓪.①/',
  'http://%31%32%37.0.0.1/',
  'http://localhost/',
  'http://LOCALHOST/',
  'http://localhost./',
  'http://sub.localhost/',
  'http://ｌｏｃａｌｈｏｓｔ/',
  'https://127.0.0.1:443/',
  'http:\\\\127.0.0.1\\',
  'http:127.0.0.1',
  // unspecified, which connects to this machine
  'http://0.0.0.0/',
  'http://0/',
  'http://0x0/',
  'http://0.1.2.3/',
  'http://[::]/',
  // IPv6 loopback and IPv4 in IPv6 clothes
  'http://[::1]/',
  'http://[0:0:0:0:0:0:0:1]/',
  'http://[0000::0001]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[0:0:0:0:0:ffff:10.0.0.1]/',
  'http://[::ffff:169.254.169.254]/',
  'http://[::ffff:0:127.0.0.1]/',
  'http://[::127.0.0.1]/',
  'http://[::a00:1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[64:ff9b::10.0.0.1]/',
  'http://[64:ff9b:1::1]/',
  'http://[2002:7f00:1::]/',
  'http://[2002:a00:1::1]/',
  'http://[2001::1]/',
  // private networks
  'http://10.0.0.1/',
  'http://10.255.255.255/',
  'http://0xa000001/',
  'http://172.16.0.1/',
  'http://172.31.255.255/',
  'http://192.168.0.1/',
  'http://3232235521/',
  'http://100.64.0.1/',
  'http://100.127.255.254/',
  'http://[fc00::1]/',
  'http://[fd12:3456:789a::1]/',
  'http://[fe80::1]/',
  'http://[febf::1]/',
  'http://[fec0::1]/',
  // services of cloud hosts
  'http://169.254.169.254/latest/meta-data/',
  'http://0xa9fea9fe/',
  'http://2852039166/',
  'http://169.254.170.2/',
  'http://[fd00:ec2::254]/',
  'http://168.63.129.16/',
  'http://100.100.100.200/',
  // not for one host, not given out, for documents and measurements
  'http://224.0.0.1/',
  'http://239.255.255.250/',
  'http://255.255.255.255/',
  'http://240.0.0.1/',
  'http://[ff02::1]/',
  'http://192.0.0.1/',
  'http://192.0.2.1/',
  'http://198.18.0.1/',
  'http://198.51.100.1/',
  'http://203.0.113.1/',
  'http://192.88.99.1/',
  'http://[2001:db8::1]/',
  'http://[100::1]/',
  'http://[3fff::1]/',
  'http://[5f00::1]/',
  'http://[4000::1]/',
  // other protocols, credentials, nonsense
  'ftp://8.8.8.8/',
  'file:///etc/passwd',
  'gopher://8.8.8.8/',
  'javascript:alert(1)',
  'data:text/plain,x',
  'unix:/var/run/docker.sock',
  'http://user@8.8.8.8/',
  'http://user:pass@8.8.8.8/',
  'http://:pass@8.8.8.8/',
  'http://8.8.8.8@127.0.0.1/',
  'http://[::1%25lo]/',
  'http://[v1.fe80]/',
  'http://999.1.1.1/',
  'http://',
  'not a url',
  '',
]

const PUBLIC = [
  'https://example.com/hook',
  'http://example.com:8080/',
  'http://8.8.8.8/',
  'https://1.1.1.1/',
  'http://172.15.0.1/',
  'http://172.32.0.1/',
  'http://100.63.0.1/',
  'http://[2606:4700:4700::1111]/',
  'http://[::ffff:8.8.8.8]/',
  'https://localhost.example.com/',
]

describe('the guard', () => {
  test.each(HOSTILE)('refuses %s', url => {
    expect(checkUrl(url, [])).toEqual(expect.any(String))
  })

  test.each(PUBLIC)('lets %s pass', url => {
    expect(checkUrl(url, [])).toBeNull()
  })

  test('opens exactly the networks it is told to', () => {
    const allow = ['127.0.0.0/8', '10.1.0.0/16', 'fd00::/8']
    for (const url of [
      'http://127.0.0.1/',
      'http://localhost/',
      'http://10.1.2.3/',
      'http://[fd12::1]/',
      'http://[::ffff:10.1.2.3]/',
    ])
      expect(checkUrl(url, allow)).toBeNull()
    for (const url of ['http://10.2.0.1/', 'http://[::1]/', 'http://[fc00::1]/', 'http://192.168.0.1/', 'file:///x'])
      expect(checkUrl(url, allow)).toEqual(expect.any(String))
  })

  test('says what was refused and what to do', () => {
    expect(checkUrl('http://10.0.0.1/', [])).toMatch(/10\.0\.0\.1 .*private.*network\.allow/)
  })
})

describe('a name', () => {
  /** Resolves to one list after the other; the last stays. */
  const names = (...lists: string[][]): Resolve & { asked: number } => {
    const resolve = Object.assign(
      (_: string, callback: Parameters<Resolve>[1]) => {
        const list = lists[Math.min(resolve.asked++, lists.length - 1)] ?? []
        const addresses = list.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
        setImmediate(() => callback(null, addresses))
      },
      { asked: 0 },
    )
    return resolve
  }
  const post = async (resolve: Resolve, allow: readonly string[], port: number, path = '/') => {
    const sender = createSender({ guard: createGuard({ allow, resolve }), clock: systemClock() })
    try {
      return await sender.send({
        url: `http://shop.example:${port}${path}`,
        headers: {},
        body: '{}',
        timeoutMs: 3_000,
        signal: new AbortController().signal,
      })
    } finally {
      await sender.close()
    }
  }

  test.each([
    [['127.0.0.1']],
    [['10.0.0.1', '192.168.1.1']],
    [['::1']],
    [['::ffff:127.0.0.1']],
    [['169.254.169.254']],
    [['fe80::1']],
    [[]],
  ])('that resolves to %j is not connected to', async addresses => {
    const receiver = await createReceiver()
    const answer = await post(names(addresses), [], receiver.port)
    expect(answer).toMatchObject({ kind: 'failed', error: expect.stringMatching(/^Not sent: shop\.example/) })
    expect(receiver.connections).toBe(0)
    await receiver.close()
  })

  test('that resolves to a permitted address among others is connected to at that one only', async () => {
    const receiver = await createReceiver()
    const answer = await post(names(['10.0.0.1', '127.0.0.1', '169.254.169.254']), ['127.0.0.1/32'], receiver.port)
    expect(answer).toMatchObject({ kind: 'answered', statusCode: 204 })
    await receiver.close()
  })

  test('that is permitted when checked and another when connected to (rebinding) is judged by the one connected to', async () => {
    const receiver = await createReceiver()
    const resolve = names(['8.8.8.8'], ['127.0.0.1'])
    const guard = createGuard({ allow: [], resolve })
    expect(guard.checkUrl(`http://shop.example:${receiver.port}/`)).toBeNull()
    await new Promise(done => guard.lookup('shop.example', { all: true }, done))
    const answer = await post(resolve, [], receiver.port)
    expect(answer).toMatchObject({ kind: 'failed', error: expect.stringContaining('127.0.0.1') })
    expect(receiver.connections).toBe(0)
    await receiver.close()
  })

  test('asked for many times at once is looked up once', async () => {
    const resolve = names(['8.8.8.8'])
    const guard = createGuard({ allow: [], resolve })
    await Promise.all(
      Array.from({ length: 20 }, () => new Promise(done => guard.lookup('shop.example', { all: true }, done))),
    )
    expect(resolve.asked).toBe(1)
  })

  test('that cannot be resolved fails as such', async () => {
    const failing: Resolve = (_, callback) => callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), {}), [])
    expect(await post(failing, [], 80)).toMatchObject({ kind: 'failed', error: expect.stringContaining('ENOTFOUND') })
  })
})

describe('an address written into the URL', () => {
  test('is refused before anything is connected', async () => {
    const receiver = await createReceiver()
    const sender = createSender({ guard: createGuard({ allow: [] }), clock: systemClock() })
    const answer = await sender.send({
      url: receiver.url,
      headers: {},
      body: '{}',
      timeoutMs: 1_000,
      signal: new AbortController().signal,
    })
    expect(answer).toMatchObject({ kind: 'failed', error: expect.stringContaining('network.allow') })
    expect(receiver.connections).toBe(0)
    await sender.close()
    await receiver.close()
  })
})
