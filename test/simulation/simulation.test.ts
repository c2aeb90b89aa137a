import { parseSync } from 'oxc-parser'
import { describe, expect, test } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { huntMutants } from './mutation.ts'
import { planted, readSources } from './plant.ts'
import { type RunResult, simulate } from './run.ts'

/** `.ci/run` runs 800. */
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
  const plan = { wire: true, stormMs: 10_000 }
  expect((await simulate(18, { plan })).digest).toBe((await simulate(18, { plan })).digest)
})

const sources = readSources()

test.each(MUTANTS)('the planted defect fits the program: $name', mutant => {
  for (const [url, source] of planted(mutant, sources)) {
    expect(source).not.toBe(sources.get(url))
    expect(parseSync(url, source).errors).toEqual([])
  }
})

describe('a planted defect', () => {
  const mutant = { name: 'one', edits: [['greet', "'hello' + name", "'bye'"]] } as const
  const greeting =
    "const other = () => 'hello' + name\nfunction greet(name: string) {\n  return (\n    'hello' +\n    name\n  )\n}\n"

  test('changes the function of its name, in whatever file it is and however it is formatted', () => {
    const moved = new Map([
      ['a.ts', 'export {}'],
      ['b.ts', greeting],
    ])
    expect([...planted(mutant, moved)]).toEqual([['b.ts', greeting.replace("'hello' +\n    name", "'bye'")]])
  })

  test.each([
    ['the function has another name', greeting.replace('greet(', 'welcome(')],
    ['the function says something else', greeting.replaceAll("'hello'", "'hi'")],
    ['it fits two places', `${greeting}{\n${greeting}}`],
  ])('is refused if %s', (_, source) => {
    expect(() => planted(mutant, new Map([['a.ts', source]]))).toThrow(/The mutant "one" needs exactly one place/)
  })
})

test('planted defects are caught', async () => {
  // Those that few seeds are enough for; `npm run simulate -- --mutants` hunts all.
  const only = '^a position is committed before|^sequence numbers start anew|^the backlog is worked off newest first'
  const { caught, missed } = await huntMutants({ seeds: 30, from: 1, jobs: 1, only, say: () => {} })
  expect({ caught, missed }).toEqual({ caught: 3, missed: [] })
})
