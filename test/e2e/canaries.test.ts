import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command, configure, startProgram } from '../helpers/program.ts'
import { createReceiver } from '../helpers/receiver.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const canary = (kind: string) => `canary-${kind}-${randomBytes(12).toString('hex')}`
const secret = () => `whsec_${randomBytes(32).toString('base64')}`

/** Every kind of secret there is, each once and unlike any other text. */
const kakacloToken = canary('kakaclo')
const tuyaSecret = canary('tuya')
const shoplazzaToken = canary('shoplazza')
const webhookSecret = canary('webhook')
const declaredSecret = secret()
const declaredHeader = canary('declared-header')
const ownHeader = canary('own-header')
const apiKey = canary('api-key')
const secretKey = randomBytes(32).toString('base64')

test("no secret is in the store, a log line, an answer, a metric or an error, but for an endpoint's own when it is made", async () => {
  const folder = await temporaryFolder()
  // Says everything it is told, as badly behaved services do: in its errors, and as its answer to a delivery.
  const echo = await createReceiver()
  echo.otherwise = (response, request) => {
    const told = JSON.stringify({ url: request.path, headers: request.headers })
    if (request.path.startsWith('/hook/good')) response.writeHead(200).end(told)
    else response.writeHead(request.path.startsWith('/refuses') ? 401 : 500).end(told)
  }
  const base = `http://127.0.0.1:${echo.port}`
  const connections = [
    { id: 'kk', vendor: 'kakaclo' as const, baseUrl: `${base}/fails/openapi`, token: kakacloToken },
    {
      id: 'tuya',
      vendor: 'tuya' as const,
      baseUrl: `${base}/fails`,
      clientId: 'client',
      clientSecret: tuyaSecret,
      mallCode: 'm',
      shopCode: 's',
    },
    {
      id: 'shop',
      vendor: 'shoplazza' as const,
      baseUrl: `${base}/refuses/openapi/2022-01`,
      accessToken: shoplazzaToken,
      webhookSecret,
    },
    {
      id: 'works',
      vendor: 'kakaclo' as const,
      baseUrl: 'http://127.0.0.1:18794/kakaclo/openapi',
      token: 'sandbox-kakaclo-token',
    },
  ]
  const often = { pollEvery: '300ms', rateLimit: { perSecond: 50, burst: 50 } }
  const config = {
    sandbox: { port: 18_794, speed: 5 },
    network: { allow: ['127.0.0.0/8'] },
    connections: connections.map(connection => ({ ...connection, ...often })),
    endpoints: [
      {
        id: 'declared',
        url: `${echo.url}/good/declared`,
        secret: declaredSecret,
        headers: { 'x-declared': declaredHeader },
      },
    ],
  }
  await configure(folder.path, config)
  const env = { ORDERWIRE_API_KEY: apiKey, ORDERWIRE_SECRET_KEY: secretKey, LOG_LEVEL: 'trace' }
  const program = await startProgram(folder.path, env)
  const seen: { where: string; text: string }[] = []
  const call = async (method: string, path: string, body?: unknown, key = apiKey): Promise<string> => {
    const response = await fetch(program.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    seen.push({ where: `${method} ${path}`, text: `${text} ${JSON.stringify([...response.headers])}` })
    return text
  }
  const created: string[] = []
  try {
    for (const [id, path, given] of [
      ['good', 'good/own', undefined],
      ['bad', 'bad', secret()],
    ] as const) {
      const headers = { 'x-own': ownHeader, authorization: `Custom ${ownHeader}` }
      const answer = JSON.parse(
        await call('POST', '/v1/endpoints', {
          id,
          url: `${echo.url}/${path}`,
          headers,
          secret: given,
          delivery: { retries: ['1s'] },
        }),
      )
      // Its creation is the one place where a secret is shown.
      seen.pop()
      created.push(answer.secret)
      expect(JSON.stringify({ ...answer, secret: null })).not.toContain(ownHeader)
    }
    await until('deliveries that succeed and deliveries that fail are recorded', async () => {
      const [good, bad] = [
        await call('GET', '/v1/deliveries?destination=good&limit=5'),
        await call('GET', '/v1/dead-letters?destination=bad'),
      ]
      return good.includes('"delivered"') && bad.includes('"attempts":2')
    })
    await until('vendors have failed', async () => {
      const text = await call('GET', '/v1/connections')
      return text.includes('"stopped"') && text.includes('"failing"')
    })
    const rotated = JSON.parse(await call('POST', '/v1/endpoints/good/rotate-secret'))
    seen.pop()
    created.push(rotated.secret)
    for (const path of [
      ...['endpoints', 'endpoints/good', 'endpoints/declared', 'destinations', 'connections/kk', 'connections/shop'],
      ...['deliveries?limit=250', 'dead-letters?limit=250', 'quarantine', 'events?limit=250'],
    ])
      await call('GET', `/v1/${path}`)
    for (const path of ['/metrics', '/openapi.json', '/asyncapi.json', '/readyz', '/healthz', '/'])
      await call('GET', path)
    await call('POST', '/v1/endpoints/good/test')
    await call('POST', '/v1/endpoints/bad/test')
    await call('POST', '/v1/connections/kk/poll')
    await call('PATCH', '/v1/endpoints/good', { headers: { 'x-own': `${ownHeader}\r\nx: y` } })
    await call('PATCH', '/v1/endpoints/good', { headers: { host: ownHeader } })
    await call('POST', '/v1/endpoints', { url: `${echo.url}/x`, secret: `${declaredSecret}!` })
    await call('GET', '/v1/endpoints', undefined, `${apiKey}x`)
    await fetch(`${program.url}/hooks/shop`, {
      method: 'POST',
      headers: { 'x-shoplazza-hmac-sha256': 'x' },
      body: '{}',
    })
  } finally {
    await program.end('SIGTERM')
  }
  seen.push({ where: 'the log', text: program.output() })

  // Configurations that are wrong in the places where secrets stand.
  const [kk] = config.connections
  for (const [wrong, message] of [
    [{ ...config, connections: { one: { ...kk } } }, 'connections'],
    [{ ...config, connections: [{ ...kk, token: [kakacloToken] }] }, 'token'],
    [{ ...config, connections: [{ ...kk, tokn: kakacloToken }] }, 'tokn'],
    [{ ...config, endpoints: [{ id: 'x', url: echo.url, secret: `${declaredSecret}!` }] }, 'secret'],
    [{ ...config, endpoints: [{ id: 'x', url: echo.url, headers: { host: declaredHeader } }] }, 'headers'],
    [{ ...config, endpoints: [{ id: 'x', url: echo.url, headers: `x: ${declaredHeader}` }] }, 'headers'],
    [{ ...config, endpoints: { secret: declaredSecret, headers: { x: declaredHeader } } }, 'endpoints'],
  ] as const) {
    await configure(folder.path, wrong as never)
    const { code, stdout, stderr } = await command(folder.path, ['check'], env)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) })
    seen.push({ where: `a configuration with wrong ${message}`, text: stdout + stderr })
  }
  for (const name of await readdir(join(folder.path, 'data'))) {
    const bytes = await readFile(join(folder.path, 'data', name))
    seen.push({ where: `the file ${name}`, text: bytes.toString('latin1') })
  }
  expect(seen.some(({ where, text }) => where === 'the file orderwire.db' && text.includes('x-own'))).toBe(true)
  await echo.close()
  await folder.remove()

  const canaries = {
    ...{ kakacloToken, tuyaSecret, shoplazzaToken, webhookSecret, declaredHeader, ownHeader, apiKey, secretKey },
    ...Object.fromEntries(
      [declaredSecret, ...created].map((text, index) => [`endpoint secret ${index}`, text.slice(6)]),
    ),
  }
  const found = Object.entries(canaries).flatMap(([kind, text]) =>
    seen.filter(one => one.text.includes(text)).map(({ where }) => `${kind} in ${where}`),
  )
  expect(found).toEqual([])
})
