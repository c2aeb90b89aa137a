import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { createGuard } from '../../../src/destinations/webhooks/egress.ts'
import { createSender } from '../../../src/destinations/webhooks/send.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { HostCertificates } from '../../../src/lib/host-certificates.ts'
import { forwardProxy } from '../../helpers/forward-proxy.ts'
import { selfSigned } from '../../helpers/self-signed.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const [server, ours, stranger] = [selfSigned(), selfSigned('orderwire'), selfSigned('stranger')]
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A receiver that takes only our certificate, or any; and the files of ours. */
async function scene({ required = true } = {}) {
  const folder = await temporaryFolder()
  closers.push(() => folder.remove())
  const [ca, cert, key] = ['ca.pem', 'our.crt', 'our.key'].map(name => join(folder.path, name)) as [
    string,
    string,
    string,
  ]
  const write = async (pair: typeof ours) => {
    await writeFile(cert, pair.cert)
    await writeFile(key, pair.key)
  }
  await writeFile(ca, server.cert)
  await write(ours)
  const seen: (string | undefined)[] = []
  const options = { ...server, ca: ours.cert, requestCert: true, rejectUnauthorized: required }
  const receiver = createServer(options, ({ socket }, response) => {
    seen.push(String((socket as TLSSocket).getPeerCertificate().subject?.CN))
    response.end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise(resolve => receiver.close(resolve).closeAllConnections()))
  const { port } = receiver.address() as AddressInfo
  const files = { ca, client: { cert, key, password: null } }
  return { port, files, seen, write }
}

async function send(port: number, certificates: readonly HostCertificates[], proxy: string | null = null) {
  const sender = createSender({
    guard: createGuard({ allow: ['127.0.0.0/8', '::1/128'] }),
    clock: systemClock(),
    proxy: proxy === null ? null : { url: new URL(proxy), except: [], httpsOnly: false },
    certificates,
  })
  closers.push(() => sender.close())
  const { signal } = new AbortController()
  return sender.send({ url: `https://localhost:${port}/hook`, headers: {}, body: '{}', timeoutMs: 10_000, signal })
}

describe('a receiver that asks for a certificate', () => {
  test('gets ours, directly and through a proxy', async () => {
    const { port, files, seen } = await scene()
    const proxy = await forwardProxy()
    closers.push(() => proxy.close())
    const certificates = [{ hosts: ['localhost'], files }]
    expect(await send(port, certificates)).toMatchObject({ kind: 'answered', statusCode: 200 })
    expect(await send(port, certificates, proxy.url)).toMatchObject({ kind: 'answered', statusCode: 200 })
    expect(seen).toEqual(['orderwire', 'orderwire'])
    expect(proxy.asked).toEqual([`localhost:${port}`])
  })

  test('and refuses another is a failed attempt; a renewed one is used from the next connection on', async () => {
    const { port, files, write } = await scene()
    await write(stranger)
    const certificates = [{ hosts: ['*'], files }]
    expect(await send(port, certificates)).toMatchObject({ kind: 'failed' })
    await write(ours)
    expect(await send(port, certificates)).toMatchObject({ kind: 'answered', statusCode: 200 })
  })

  test.each([
    ['another host', ['receiver.example']],
    ['another port of the host', ['localhost:1']],
  ])('that the entry does not name (%s) is shown nothing', async (_, hosts) => {
    const { port, files, seen } = await scene({ required: false })
    const certificates = [
      { hosts, files },
      { hosts: ['localhost'], files: { ...files, client: null } },
    ]
    expect(await send(port, certificates)).toMatchObject({ kind: 'answered', statusCode: 200 })
    expect(seen).toEqual(['undefined'])
  })

  test('whose files are gone is a failed attempt that names no file, because the owner of the endpoint may read it', async () => {
    const { port, files } = await scene()
    const gone = { ...files, ca: `${files.ca}.gone` }
    const answer = await send(port, [{ hosts: ['localhost'], files: gone }])
    expect(answer).toMatchObject({ kind: 'failed', error: expect.stringContaining('cannot be used now') })
    expect(JSON.stringify(answer)).not.toContain('.gone')
  })
})
