import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { simulate } from './run.ts'

const SEEDS = 25

test(`nothing is lost, invented or out of order in ${SEEDS} storms`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, plan, tail } = await simulate(seed)
    if (violations.length > 0) console.log(`seed ${seed} ${JSON.stringify(plan)}\n${tail.slice(-60).join('\n')}`)
    expect({ seed, violations }).toEqual({ seed, violations: [] })
  }
}, 240_000)

test('the same seed is the same run, to the last step', async () => {
  for (const seed of [6, 18, 33]) expect((await simulate(seed)).digest).toBe((await simulate(seed)).digest)
}, 60_000)

test.each([
  'a position is settled before it is delivered',
  'lane rows in the store are ignored',
  'events set aside are settled before they are written',
])(
  'a planted defect is caught: %s',
  async defect => {
    const args = [join(import.meta.dirname, 'main.ts'), '--mutants', '--only', defect, '--seeds', '20']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect({ status, stderr, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('1 mutants caught') })
  },
  120_000,
)
