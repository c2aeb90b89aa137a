import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { selfSigned } from './self-signed.ts'

/** A forward proxy that knows HTTP CONNECT, on a port of loopback. */
export interface TestProxy {
  readonly url: string
  /** Each `host:port` it was asked for. */
  readonly asked: string[]
  readonly credentials: string[]
  /** Its certificate, for `localhost`; PEM. */
  readonly cert: string
  /** What it answers instead; null: it connects. `hang`: nothing. */
  answer: number | 'hang' | null
  /** Names that it knows, and where they lead. */
  readonly names: Map<string, string>
  /** Ends all tunnels. */
  cut(): void
  close(): Promise<void>
}

export async function forwardProxy({ secure = false } = {}): Promise<TestProxy> {
  const { key, cert } = selfSigned()
  const server: Server = secure ? createSecureServer({ key, cert }) : createServer()
  const open = new Set<Duplex>()
  const proxy = { asked: [] as string[], credentials: [] as string[], names: new Map<string, string>() }
  const state: { answer: TestProxy['answer'] } = { answer: null }
  server.on('connect', (request, client, head) => {
    open.add(client)
    client.on('error', () => {}).on('close', () => open.delete(client))
    proxy.asked.push(request.url ?? '')
    const { 'proxy-authorization': credentials } = request.headers
    if (credentials) proxy.credentials.push(Buffer.from(credentials.slice(6), 'base64').toString())
    if (state.answer === 'hang') return
    if (state.answer !== null) return void client.end(`HTTP/1.1 ${state.answer} No\r\ncontent-length: 0\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const name = hostname.replace(/^\[|\]$/g, '')
    const target: Socket = connect(Number(port || 80), proxy.names.get(name) ?? name, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(head)
      target.pipe(client).pipe(target)
    })
    open.add(target)
    target.on('error', () => client.destroy()).on('close', () => open.delete(target))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    ...proxy,
    cert,
    url: secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    get answer() {
      return state.answer
    },
    set answer(answer) {
      state.answer = answer
    },
    cut,
    async close() {
      cut()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
