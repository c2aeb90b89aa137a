import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import type { TightDisk } from '../helpers/tight-disk.ts'
import { until } from '../helpers/until.ts'
import { judge, type Verdict } from './verdict.ts'

/**
 * One whole process under load whose store lies on a disk that fills up again and again, at random fillings; every other time it is
 * killed meanwhile and started on the full disk.
 */
export async function fullDisk(options: {
  disk: TightDisk
  env: NodeJS.ProcessEnv
  rounds: number
  seed: number
  say: (text: string) => void
  /** What a person has to do besides making room: a database server that ended is started again. */
  afterRoom?: () => Promise<void>
}): Promise<Verdict & { kills: number; deaths: readonly string[]; note: string }> {
  const { disk, env, say, seed, afterRoom = async () => {} } = options
  const random = createRandom(seed)
  const folder = await temporaryFolder()
  const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  const subscribers = [await subscriber(0, random), await subscriber(0.2, random)]
  const shop = createShop(sandbox, seed)
  await configure(folder.path, {
    connections: connectionsTo(sandbox),
    endpoints: subscribers.map(({ url }, index) => ({ id: `s${index + 1}`, url })),
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: Array.from({ length: 50 }, () => '100ms') },
  })
  const deaths: string[] = []
  let kills = 0
  let refusals = 0
  let { mebibytes } = disk
  const living = setInterval(() => {
    if (random.chance(0.15)) shop.open()
    for (let i = 0; i < 2; i++) shop.move()
  }, 20)
  const told = () => subscribers.every(one => one.ids().size >= shop.facts().length)
  const ready = async (program: Program) => (await program.get('/readyz')).status === 200
  let starting = startProgram(folder.path, env)
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const program = await starting
      await sleep(random.between(500, 2_500))
      disk.fill(random.pick([0, 0, 8, 64, 256]))
      await until('it says that it cannot work', async () => !(await ready(program)), 60_000)
      refusals++
      if ((await program.get('/healthz')).status !== 200) deaths.push('not healthy')
      await sleep(random.between(500, 4_000))
      if (program.child.exitCode !== null) deaths.push(program.output().slice(-800))
      if (round % 2 === 0) {
        await program.end('SIGKILL')
        kills++
        starting = startProgram(folder.path, env)
        starting.catch(error => deaths.push(error.message.slice(-800)))
        await sleep(random.between(0, 3_000))
      }
      disk.free()
      // What is stored grows as well.
      mebibytes += 4
      disk.enlarge(mebibytes)
      await afterRoom()
      const again = await starting
      await until('it works again', () => ready(again), 60_000)
      say(`full and free again: ${round} of ${options.rounds}; ${shop.facts().length} facts`)
    }
    clearInterval(living)
    while (shop.move()) {
      // every order lives its life to the end
    }
    await until('everything is told', told, 120_000, 100).catch(error => say(error.message))
    const program = await starting
    const verdict = await judge({ facts: shop.facts(), api: program, subscribers })
    if ((await program.end('SIGTERM')) !== 0) deaths.push(program.output().slice(-800))
    return { ...verdict, kills, deaths, note: `full ${refusals} times` }
  } finally {
    clearInterval(living)
    await starting.then(program => program.end('SIGKILL')).catch(() => {})
    await Promise.all([...subscribers.map(one => one.close()), sandbox.close()])
    await folder.remove()
  }
}
