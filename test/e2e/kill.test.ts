import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { OrderEvent } from '../../schemas/order-event.ts'
import { systemClock } from '../../src/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { factOf } from '../helpers/fact-of.ts'
import { configure, startProgram } from '../helpers/program.ts'
import { createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const KILLS = 22

/** A subscriber that notes each event it acknowledges, in order; fails now and then. */
async function subscriber(failureRate: number, random: { chance(p: number): boolean }) {
  const received: OrderEvent[] = []
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const fails = random.chance(failureRate)
      if (!fails) received.push(OrderEvent.parse(JSON.parse(Buffer.concat(chunks).toString())))
      response.writeHead(fails ? 500 : 204).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    received,
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

test(`killed ${KILLS} times under load: no fact is lost, none is said twice, and every subscriber gets each order's events in sequence`, async () => {
  const folder = await temporaryFolder()
  const random = createRandom(20_260)
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const steady = await subscriber(0, random)
  const shaky = await subscriber(0.2, random)
  const shop = createShop(sandbox, 7)
  const connection = { pollEvery: '50ms', rateLimit: { perSecond: 500, burst: 500 } }
  await configure(folder.path, {
    connections: [
      {
        ...connection,
        id: 'kk',
        vendor: 'kakaclo',
        baseUrl: `${sandbox.url}/kakaclo/openapi`,
        token: 'sandbox-kakaclo-token',
      },
      {
        ...connection,
        id: 'shop',
        vendor: 'shoplazza',
        baseUrl: `${sandbox.url}/shoplazza/openapi/2022-01`,
        accessToken: 'sandbox-shoplazza-token',
      },
    ],
    endpoints: [
      { id: 'steady', url: steady.url },
      { id: 'shaky', url: shaky.url },
    ],
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: Array.from({ length: 40 }, () => '50ms') },
  })

  const living = setInterval(() => {
    if (random.chance(0.3)) shop.open()
    for (let i = 0; i < 4; i++) shop.move()
  }, 10)
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const program = await startProgram(folder.path)
      await new Promise(resolve => setTimeout(resolve, random.between(20, 500)))
      expect(await program.end('SIGKILL')).toBeNull()
    }
  } finally {
    clearInterval(living)
  }
  while (shop.move()) {
    // every order lives its life to the end
  }

  const program = await startProgram(folder.path)
  try {
    const facts = shop.facts().sort()
    const history = async (): Promise<OrderEvent[]> => {
      const events: OrderEvent[] = []
      for (let after = ''; ; ) {
        const { body } = await program.get(`/v1/events?limit=250${after && `&after=${after}`}`)
        const page = body as { data: OrderEvent[]; next: string | null }
        events.push(...page.data)
        if (page.next === null) return events
        after = page.next
      }
    }
    await until('every fact is in the history', async () => (await history()).length >= facts.length)
    const events = await history()
    expect(events.map(factOf).sort()).toEqual(facts)
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
    await until(
      'both subscribers have every event',
      () => steady.ids().size >= events.length && shaky.ids().size >= events.length,
    )
    expect(steady.inversions()).toEqual([])
    expect(shaky.inversions()).toEqual([])
    expect(events.length).toBeGreaterThan(100)
  } finally {
    expect(await program.end('SIGTERM')).toBe(0)
    await Promise.all([steady.close(), shaky.close(), sandbox.close(), folder.remove()])
  }
}, 180_000)
