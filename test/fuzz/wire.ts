import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** The other side of a connection, byte for byte: told of each request that came in whole, and free to write anything. */
export interface Wire {
  readonly url: string
  readonly port: number
  /** How many connections there ever were, and are. */
  readonly connections: number
  readonly open: number
  answer: (request: WireRequest, socket: Socket) => void
  close(): Promise<void>
}

export interface WireRequest {
  readonly head: string
  readonly path: string
  readonly body: string
  /** From 1, on its connection. */
  readonly number: number
}

export async function openWire(): Promise<Wire> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(socket => {
    connections++
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let text = ''
    let number = 0
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      for (;;) {
        const end = text.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = text.slice(0, end)
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
        if (text.length < end + 4 + length) return
        const body = text.slice(end + 4, end + 4 + length)
        text = text.slice(end + 4 + length)
        wire.answer({ head, path: head.split(' ')[1] ?? '', body, number: ++number }, socket)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const wire: Wire = {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    answer: (_, socket) => void socket.end(),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return wire
}

/** Writes for as long as the other side reads, a piece at a time; `pieces` at most. Returns how many were written, in the end. */
export function pour(socket: Socket, piece: string | Buffer, pieces: number): { readonly written: number } {
  const state = { written: 0 }
  const more = () => {
    while (state.written < pieces && !socket.destroyed) {
      state.written++
      if (!socket.write(piece)) return void socket.once('drain', more)
    }
  }
  more()
  return state
}

export const head = (status: string, ...headers: readonly string[]): string =>
  `HTTP/1.1 ${status}\r\n${headers.map(line => `${line}\r\n`).join('')}\r\n`

/** An answer as it should be. */
export const whole = (body: string | Buffer, ...headers: readonly string[]): Buffer => {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(head('200 OK', `content-length: ${bytes.length}`, ...headers), 'latin1'), bytes])
}
