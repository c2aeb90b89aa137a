import { expect, test } from 'vitest'
import type { OrderEvent } from '../../schemas/order-event.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { factOf } from '../helpers/fact-of.ts'
import { configure, startProgram } from '../helpers/program.ts'
import { createShop, withSubscribers } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** Each costs a start of the program. The simulation crashes at every step. */
const KILLS = 14
const ORDERS_A_LIFE = 20

test(`killed ${KILLS} times under load: no fact is lost, none is said twice, and every subscriber gets each order's events in sequence`, async () => {
  const folder = await temporaryFolder()
  const random = createRandom(20_260)
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const steady = await subscriber(0, random)
  const shaky = await subscriber(0.2, random)
  const shop = createShop(sandbox, 7)
  await configure(folder.path, withSubscribers(sandbox, { steady, shaky }))

  // Bounded for each life of the program, so that a slow machine has no more to do.
  let toOpen = 0
  const living = setInterval(() => {
    if (toOpen > 0 && random.chance(0.3)) {
      shop.open()
      toOpen--
    }
    for (let i = 0; i < 4; i++) shop.move()
  }, 10)
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      toOpen = ORDERS_A_LIFE
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
    await until('every fact is in the history', async () => (await history()).length >= facts.length, 60_000)
    const events = await history()
    expect(events.map(factOf).sort()).toEqual(facts)
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
    const haveAll = () => steady.ids().size >= events.length && shaky.ids().size >= events.length
    await until('both subscribers have every event', haveAll, 60_000).catch(async error => {
      const missing = [steady, shaky].map(one => events.filter(({ id }) => !one.ids().has(id)).map(factOf))
      const { body } = await program.get('/v1/destinations')
      throw new Error(
        `${error.message}\n${JSON.stringify({ missing, body }, null, 1)}\n${program.output().slice(-3_000)}`,
      )
    })
    expect(steady.inversions()).toEqual([])
    expect(shaky.inversions()).toEqual([])
    expect(events.length).toBeGreaterThan(100)
  } finally {
    expect(await program.end('SIGTERM')).toBe(0)
    await Promise.all([steady.close(), shaky.close(), sandbox.close(), folder.remove()])
  }
}, 240_000)
