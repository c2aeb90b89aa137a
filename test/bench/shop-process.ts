import { systemClock } from '../../src/lib/clock.ts'
import { createLife, planLife } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { kakacloV2 } from '../../src/sandbox/rows.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'

/** A simulated Kakaclo with many orders, in a process of its own so that its memory is not counted with the program's. Prints its URL. */

const orders = Number(process.argv[2] ?? 100_000)
const sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
const random = createRandom(1)
const now = Date.now()
for (let i = 0; i < orders; i++) {
  const at = now - 86_400_000 - (orders - i) * 5_000
  const life = createLife(random, { id: String(1_000_000 + i), number: String(i), at, buyer: 'buyer-1', dollars: true })
  for (const step of planLife(life, { random, speed: 1, refunds: 'before-shipping', lateNumbers: false }))
    step.happen(life)
  sandbox.kakaclo.put(life.id, kakacloV2(life))
}
sandbox.kakaclo.forgetRequests()
process.stdout.write(`${sandbox.url}\n`)
process.on('SIGTERM', () => void sandbox.close())
