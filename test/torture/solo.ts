import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { configure, startProgram } from '../helpers/program.ts'
import { createShop, withSubscribers } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'
import { judge, type Verdict } from './verdict.ts'

const ORDERS_A_LIFE = 20

/** One whole process on the embedded store and log under load, killed again and again up to half a second after its start. */
export async function killAgain(options: {
  kills: number
  seed: number
  patienceMs: number
  say: (text: string) => void
}): Promise<Verdict & { kills: number; deaths: readonly string[]; note: string }> {
  const { kills, seed, patienceMs, say } = options
  const folder = await temporaryFolder()
  const random = createRandom(seed)
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const steady = await subscriber(0, random)
  const shaky = await subscriber(0.2, random)
  const shop = createShop(sandbox, seed)
  await configure(folder.path, withSubscribers(sandbox, { steady, shaky }))
  const deaths: string[] = []

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
    for (let kill = 0; kill < kills; kill++) {
      toOpen = ORDERS_A_LIFE
      const program = await startProgram(folder.path)
      await new Promise(resolve => setTimeout(resolve, random.between(20, 500)))
      const code = await program.end('SIGKILL')
      if (code !== null) deaths.push(`ended with ${code} by itself: ${program.output().slice(-300)}`)
    }
    clearInterval(living)
    while (shop.move()) {
      // every order lives its life to the end
    }
    const api = await startProgram(folder.path)
    const facts = shop.facts()
    const subscribers = [steady, shaky]
    const complete = () => subscribers.every(one => one.ids().size >= facts.length)
    await until('everything is told', complete, patienceMs).catch(error =>
      say(`${error.message}\n${api.output().slice(-3_000)}`),
    )
    const verdict = await judge({ facts, api, subscribers })
    const code = await api.end('SIGTERM')
    if (code !== 0) deaths.push(`ended with ${code} when it was told to stop`)
    return { ...verdict, kills, deaths, note: '' }
  } finally {
    clearInterval(living)
    await Promise.all([steady.close(), shaky.close(), sandbox.close(), folder.remove()])
  }
}
