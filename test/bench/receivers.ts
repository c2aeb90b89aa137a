import { Worker } from 'node:worker_threads'

/** A receiver in a thread of its own. By path: `/hang` never answers, `/dead` cuts the connection, all else is 204. */
export async function startReceivers(): Promise<{ port: number; stop(): Promise<number> }> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:http').createServer((request, response) => {
       if (request.url === '/dead') return void request.socket.destroy()
       request.resume()
       if (request.url !== '/hang') request.on('end', () => response.writeHead(204).end())
     })
     server.keepAliveTimeout = 60_000
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true },
  )
  const port = await new Promise<number>(resolve => worker.once('message', resolve))
  return { port, stop: () => worker.terminate() }
}

/** Nearest rank. */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
