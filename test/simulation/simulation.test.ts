import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { changed } from './hooks.ts'
import { MUTANTS } from './mutants.ts'
import { huntMutants } from './mutation.ts'
import { type RunResult, simulate } from './run.ts'

/** `.ci/run` runs 2,000. */
const SEEDS = 5

function judge({ seed, plan, violations, tail }: RunResult): void {
  if (violations.length > 0) console.log(`seed ${seed} ${JSON.stringify(plan)}\n${tail.slice(-60).join('\n')}`)
  expect({ seed, violations }).toEqual({ seed, violations: [] })
}

test(`nothing is lost, invented or out of order in ${SEEDS} storms`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) judge(await simulate(seed))
}, 240_000)

test('the same seed is the same run, to the last step, with the real sources as well', async () => {
  expect((await simulate(6)).digest).toBe((await simulate(6)).digest)
  const plan = { wire: true }
  expect((await simulate(18, { plan })).digest).toBe((await simulate(18, { plan })).digest)
}, 60_000)

test.each(MUTANTS)('the planted defect fits the program: $name', mutant => {
  const source = readFileSync(join(import.meta.dirname, '../../src', mutant.file), 'utf8')
  expect(changed(source, mutant)).not.toBe(source)
})

test('planted defects are caught', async () => {
  const only = '^a position is settled before|^events set aside|lane rows in the store are ignored'
  const { caught, missed } = await huntMutants({ seeds: 30, from: 1, jobs: 1, only, say: () => {} })
  expect({ caught, missed }).toEqual({ caught: 3, missed: [] })
}, 120_000)
