import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { createGuard } from '../../../src/destinations/webhooks/egress.ts'
import { type Answer, createSender, type Sender } from '../../../src/destinations/webhooks/send.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { selfSigned } from '../../helpers/self-signed.ts'
import { until } from '../../helpers/until.ts'

/** What becomes of a delivery before there is anybody to answer it. */

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function sender(connectMs?: number): Sender {
  const made = createSender({
    guard: createGuard({ allow: ['127.0.0.0/8'] }),
    clock: systemClock(),
    ...(connectMs !== undefined && { connectMs }),
  })
  closers.push(() => made.close())
  return made
}

const send = (url: string, own: { connectMs?: number; timeoutMs?: number } = {}): Promise<Answer> =>
  sender(own.connectMs).send({
    url,
    headers: {},
    body: '{}',
    timeoutMs: own.timeoutMs ?? 10_000,
    signal: new AbortController().signal,
  })

async function listening<T extends Server>(server: T): Promise<{ server: T; port: number }> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise(resolve => server.close(resolve))
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A port where connections queue up and, once the queue is full, do not come about: as at a host that swallows packets. */
async function swallowing(): Promise<number> {
  const release = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       // Nothing is accepted any more.
       setImmediate(() => { Atomics.wait(workerData, 0, 0); process.exit() })
     })`,
    { eval: true, workerData: release },
  )
  closers.push(async () => {
    Atomics.store(release, 0, 1)
    Atomics.notify(release, 0)
    await worker.terminate()
  })
  const [port] = (await once(worker, 'message')) as [number]
  // The queue is full when a connection does not come about any more.
  for (let stuck = false; !stuck; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    closers.push(() => socket.destroy())
    const came = once(socket, 'connect').then(() => true)
    stuck = !(await Promise.race([came, new Promise<boolean>(resolve => setTimeout(resolve, 200, false))]))
  }
  return port
}

describe('a delivery over TLS', () => {
  test('to a server whose certificate nobody vouches for is not sent, and says why', async () => {
    let requests = 0
    const server = createTlsServer(selfSigned(), (_, response) => {
      requests++
      response.end()
    })
    const { port } = await listening(server)
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await send(`https://${host}:${port}/`)).toEqual({
        kind: 'failed',
        error: expect.stringMatching(/certificate/),
      })
    expect(requests).toBe(0)
  })

  test('to a server that speaks no TLS fails, and says so', async () => {
    const { port } = await listening(createServer(socket => socket.end('HTTP/1.1 200 OK\r\n\r\n')))
    expect(await send(`https://127.0.0.1:${port}/`)).toEqual({
      kind: 'failed',
      error: expect.stringMatching(/ssl|tls/i),
    })
  })

  test('to a server that never shakes hands is given up like a connection that does not come about', async () => {
    const { server, port } = await listening(createServer(socket => socket.resume()))
    const answer = await send(`https://127.0.0.1:${port}/`, { connectMs: 200 })
    expect(answer).toEqual({ kind: 'failed', error: expect.stringMatching(/connect timeout/i) })
    await until('the connection is closed', async () => (await connectionsOf(server)) === 0)
  })
})

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))))

describe('a connection that does not come about', () => {
  test('is given up after its own time, long before that of the answer', async () => {
    const port = await swallowing()
    expect(await send(`http://127.0.0.1:${port}/`, { connectMs: 200, timeoutMs: 60_000 })).toEqual({
      kind: 'failed',
      error: expect.stringMatching(/connect timeout/i),
    })
  })

  test('counts as no answer where the time of the answer is the shorter one', async () => {
    const port = await swallowing()
    expect(await send(`http://127.0.0.1:${port}/`, { timeoutMs: 200 })).toEqual({
      kind: 'failed',
      error: 'no answer within 200 ms',
    })
  })
})
