import { parseArgs } from 'node:util'
import { huntMutants } from './mutation.ts'
import { type RunResult, simulate } from './run.ts'

/**
 * `npm run simulate -- [--seeds 200] [--from 1]`: exit 1 with the failing seed and the end of its trace.
 * `--trace` prints all of it, with `--logs` the program's own words among it; `--keep` goes on after a failure.
 * `--mutants [--only TEXT]`: runs deliberate defects instead; exit 1 unless each is caught within `--seeds`.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    logs: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    lines: { type: 'string', default: '80' },
  },
})
const [from, seeds] = [Number(values.from), Number(values.seeds)]
const say = (text: string) => console.log(text)
const began = performance.now()
const elapsed = () => (performance.now() - began) / 1000

if (values.mutants) {
  const { caught, missed } = await huntMutants({ seeds, from, only: values.only, say })
  say(`${caught} mutants caught, ${missed.length} not, in ${elapsed().toFixed(0)} s`)
  process.exit(missed.length > 0 || caught === 0 ? 1 : 0)
}

const totals: Record<string, number> = {}
let failed = 0
let virtualMs = 0
for (let done = 1; done <= seeds; done++) {
  const result = await simulate(from + done - 1, { fullTrace: values.trace, logs: values.logs })
  virtualMs += result.virtualMs
  for (const [what, by] of Object.entries(result.counts)) totals[what] = (totals[what] ?? 0) + by
  if (values.trace) say(result.tail.join('\n'))
  if (result.violations.length > 0) {
    failed++
    tellOf(result)
    if (!values.keep) break
  }
  if (done % 100 === 0 || done === seeds)
    say(
      `${done} of ${seeds} seeds, ${failed} failed, ${(elapsed() / done).toFixed(3)} s each, ${(virtualMs / 3_600_000).toFixed(0)} h simulated`,
    )
}
say(
  Object.entries(totals)
    .map(([what, count]) => `${what}: ${count}`)
    .join(', '),
)
process.exit(failed > 0 ? 1 : 0)

function tellOf({ seed, plan, tail, violations }: RunResult): void {
  say(`seed ${seed} FAILED: ${JSON.stringify(plan)}`)
  if (!values.trace && !values.keep) say(tail.slice(-Number(values.lines)).join('\n'))
  for (const violation of violations) say(`  ✗ ${violation}`)
  say(`again: npm run simulate -- --from ${seed} --seeds 1 --trace --logs`)
}
