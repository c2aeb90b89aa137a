import { connect } from 'node:net'
import { serveApi } from '../../src/api/serve.ts'
import { type Harness, openHarness } from '../api/harness.ts'

/** The API as it is served, and a client that sends bytes. */

export interface Reply {
  readonly text: string
  /** Bytes of ours that the other side took. */
  readonly sent: number
}

export interface Served {
  readonly api: Harness
  readonly url: string
  /** What comes back until the connection is closed, which must be soon. An event stream is left when it has begun. */
  raw(bytes: string | Buffer, more?: Sending): Promise<Reply>
  close(): Promise<void>
}

interface Sending {
  /** Sent behind the bytes until there is an answer, so many times at most. */
  readonly more?: { readonly piece: string; readonly pieces: number }
  /** Does not say that no more is to come. */
  readonly stays?: boolean
}

const DEADLINE = 8_000

export async function openServed(): Promise<Served> {
  const api = await openHarness()
  await api.seed('shop', '1')
  const server = await serveApi({
    fetch: api.app.fetch,
    host: '127.0.0.1',
    port: 0,
    patience: { headMs: 2_000, requestMs: 2_000, idleMs: 200, checkMs: 50 },
  })
  const port = Number(new URL(server.url).port)

  return {
    api,
    url: server.url,
    raw: (bytes, { more, stays = false } = {}) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        let text = ''
        const deadline = setTimeout(() => {
          socket.destroy()
          const asked = JSON.stringify(String(bytes).slice(0, 500))
          reject(new Error(`no end of the connection after ${asked}; so far ${text.slice(0, 500)}`))
        }, DEADLINE)
        socket.setEncoding('latin1')
        socket.on('data', chunk => {
          text += chunk
          if (/content-type: text\/event-stream/i.test(text) && text.includes(': listening')) socket.destroy()
        })
        socket.on('error', () => {})
        socket.on('close', () => {
          clearTimeout(deadline)
          resolve({ text, sent: socket.bytesWritten })
        })
        socket.write(bytes)
        let left = more?.pieces ?? 0
        const pourOn = () => {
          while (more && left > 0 && !socket.destroyed && !/^HTTP/.test(text)) {
            left--
            if (!socket.write(more.piece)) return void socket.once('drain', pourOn)
          }
          if (!stays && !more) socket.end()
        }
        pourOn()
      }),
    async close() {
      await server.close()
      await api.close()
    },
  }
}

export const statusesOf = ({ text }: Reply): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
