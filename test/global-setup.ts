import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startOwnKafka } from './helpers/kafka.ts'
import { startOwnPostgres } from './helpers/postgres.ts'
import { SHARED_SERVERS } from './helpers/shared-servers.ts'

type Server = { stop(): Promise<void> } | null

/** One Kafka and one PostgreSQL for all test files of a run. Each starts when the first file asks for it, and ends with the run. */
export default async function shareServers(): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<Server>>()
  const starts: Readonly<Record<string, () => Promise<Server>>> = { kafka: startOwnKafka, postgres: startOwnPostgres }

  const ask = async (name: string): Promise<Server> => {
    const start = starts[name]
    if (!start) throw new Error(`no server ${name}`)
    const server = started.get(name) ?? start()
    started.set(name, server)
    return server
  }

  // To loopback only. A start may be slow, so the answer has no time limit.
  const desk = createServer((request, response) => {
    ask(request.url?.slice(1) ?? '').then(
      server => response.end(JSON.stringify(server)),
      error => response.writeHead(500).end(String(error)),
    )
  }).listen(0, '127.0.0.1')
  await once(desk, 'listening')
  process.env[SHARED_SERVERS] = `http://127.0.0.1:${(desk.address() as AddressInfo).port}`

  return async () => {
    desk.closeAllConnections()
    desk.close()
    for (const server of started.values()) await (await server.catch(() => null))?.stop()
  }
}
