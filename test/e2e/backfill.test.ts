import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createLife } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { kakacloV2 } from '../../src/sandbox/rows.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** `orderwire backfill` as a person calls it, with a server and without one. */

let sandbox: Sandbox
let folder: Awaited<ReturnType<typeof temporaryFolder>>
const programs: Program[] = []

const DAY = 86_400_000

beforeAll(async () => {
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
})
afterEach(async () => {
  await Promise.all(programs.splice(0).map(program => program.end('SIGKILL')))
  await folder.remove()
})
afterAll(() => sandbox.close())

async function shop() {
  folder = await temporaryFolder()
  const [kk] = connectionsTo(sandbox) ?? []
  if (!kk) throw new Error('there is a connection')
  await configure(folder.path, { connections: [kk] })
}

/** Five paid orders of two days ago, which no first poll looks for. */
function placeOrders(): void {
  const random = createRandom(7)
  const at = Date.now() - 2 * DAY
  for (let n = 0; n < 5; n++) {
    const life = createLife(random, { id: `97000${n}`, number: `7000${n}`, at, buyer: 'buyer-1', dollars: true })
    life.paidAt = at + 1_000
    sandbox.kakaclo.put(life.id, kakacloV2(life))
  }
}

test.each(['with a server', 'without a server'])(
  'backfill %s reads the span, publishes what was missing, and prints orders and events as a JSON line',
  async how => {
    await shop()
    placeOrders()
    if (how === 'with a server') programs.push(await startProgram(folder.path))
    const since = new Date(Date.now() - 3 * DAY).toISOString()
    const first = await command(folder.path, ['backfill', 'kk', '--since', since, '--json'])
    expect([first.code, first.stderr]).toEqual([0, expect.not.stringContaining('Error')])
    const { orders, events } = JSON.parse(first.stdout) as { orders: number; events: number }
    expect([orders, events > 0]).toEqual([5, true])
    const again = await command(folder.path, ['backfill', 'kk', '--since', '3d'])
    expect(again.stdout).toBe('5 orders read again, 0 events published that were missing\n')
  },
  60_000,
)

test('backfill refuses wrong calls with exit code 2', async () => {
  await shop()
  for (const args of [['backfill'], ['backfill', 'kk'], ['backfill', 'kk', '--since', 'soon']])
    expect((await command(folder.path, args)).code).toBe(2)
})
