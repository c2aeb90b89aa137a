import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What came in, whole. */
interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Milliseconds since the receiver was made. */
  readonly at: number
}

/** An answer: a status, or whatever is done with the response. */
export type Answer =
  | number
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string | Buffer }
  | ((response: ServerResponse, request: Received) => void | Promise<void>)

/** Never answers. */
export const hang: Answer = () => {}
/** Cuts the connection. */
export const reset: Answer = response => void response.socket?.destroy()

/**
 * A webhook receiver on loopback that answers as scripted. `script` gives the answers of the next requests one by one; when it is used up,
 * `otherwise` answers (204 unless said).
 */
export interface Receiver {
  readonly url: string
  readonly port: number
  readonly received: Received[]
  readonly script: Answer[]
  otherwise: Answer
  /** Connections that are open now, and ever were. */
  readonly open: number
  readonly connections: number
  /** Resolves when so many requests have come in whole; rejects after `withinMs`. */
  count(requests: number, withinMs?: number): Promise<void>
  close(): Promise<void>
}

export async function createReceiver({ host = '127.0.0.1' } = {}): Promise<Receiver> {
  const begin = performance.now()
  const sockets = new Set<Socket>()
  const received: Received[] = []
  const script: Answer[] = []
  let watchers: (() => void)[] = []
  let connections = 0

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => {})
    response.on('error', () => {})
    request.on('end', async () => {
      const one: Received = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        at: performance.now() - begin,
      }
      received.push(one)
      for (const watcher of watchers) watcher()
      const answer = script.shift() ?? receiver.otherwise
      if (typeof answer === 'number') response.writeHead(answer).end()
      else if (typeof answer === 'function') await answer(response, one)
      else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body)
    })
  })
  server.on('connection', socket => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo

  const receiver: Receiver = {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/hook`,
    port,
    received,
    script,
    otherwise: 204,
    get open() {
      return sockets.size
    },
    get connections() {
      return connections
    },
    count: (requests, withinMs = 10_000) =>
      new Promise((resolve, reject) => {
        const done = () => {
          if (received.length < requests) return
          clearTimeout(timer)
          watchers = watchers.filter(watcher => watcher !== done)
          resolve()
        }
        const timer = setTimeout(
          () => reject(new Error(`${received.length} of ${requests} requests within ${withinMs} ms`)),
          withinMs,
        )
        watchers.push(done)
        done()
      }),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return receiver
}
