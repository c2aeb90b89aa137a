import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { OrderEvent } from '../../schemas/order-event.ts'

/** A subscriber that notes each event it acknowledges, in order; fails now and then. `answersAfter`: milliseconds. */
export async function subscriber(failureRate: number, random: { chance(p: number): boolean }, answersAfter = 0) {
  const received: OrderEvent[] = []
  const receivedAt: number[] = []
  let inFlight = 0
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', async () => {
      inFlight++
      if (answersAfter > 0) await sleep(answersAfter)
      inFlight--
      const fails = random.chance(failureRate)
      if (!fails) {
        received.push(OrderEvent.parse(JSON.parse(Buffer.concat(chunks).toString())))
        receivedAt.push(performance.now())
      }
      response.writeHead(fails ? 500 : 204).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    received,
    /** When it acknowledged each of them, by `performance.now()`. */
    receivedAt,
    inFlight: () => inFlight,
    /** How many it acknowledged in the last so many milliseconds. */
    receivedWithin: (ms: number) => receivedAt.filter(at => at > performance.now() - ms).length,
    /** Orders whose first deliveries did not come in sequence. */
    inversions(): string[] {
      const last = new Map<string, number>()
      const seen = new Set<string>()
      const wrong: string[] = []
      for (const { id, partitionkey, data } of received) {
        if (seen.has(id)) continue
        seen.add(id)
        if (data.sequence !== (last.get(partitionkey) ?? 0) + 1)
          wrong.push(`${partitionkey} #${data.sequence} after #${last.get(partitionkey) ?? 0}`)
        last.set(partitionkey, data.sequence)
      }
      return wrong
    },
    ids: () => new Set(received.map(({ id }) => id)),
    close: () => new Promise<void>(resolve => server.close(() => resolve())),
  }
}
