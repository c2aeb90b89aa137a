import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { createCrew } from './crew.ts'
import { huntMutants } from './mutation.ts'
import type { Plan } from './plan.ts'
import { type RunResult, simulate } from './run.ts'
import { shrink } from './shrink.ts'
import type { Done, Task } from './worker.ts'

/**
 * `npm run simulate -- [--seeds 200] [--from 1] [--jobs N]`: exit 1 with the first failing seed, the smallest plan of it that still fails, and
 * the end of its trace. `--keep` goes on after a failure. `--plan JSON` changes a seed's plan; `--trace` prints all that happened, with
 * `--logs` the program's own words among it.
 * `--mutants [--only REGEXP]`: runs deliberate defects instead; exit 1 unless each is caught within `--seeds`.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    plan: { type: 'string', default: '{}' },
    trace: { type: 'boolean', default: false },
    logs: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    lines: { type: 'string', default: '60' },
  },
})
const [from, seeds, jobs] = [Number(values.from), Number(values.seeds), Number(values.jobs)]
const changed = JSON.parse(values.plan) as Partial<Plan>
const say = (text: string) => console.log(text)
const began = performance.now()
const elapsed = () => (performance.now() - began) / 1000

if (values.mutants) {
  const { caught, missed } = await huntMutants({ seeds, from, jobs, only: values.only, say })
  say(`${caught} mutants caught, ${missed.length} not, in ${elapsed().toFixed(0)} s`)
  process.exit(missed.length > 0 || caught === 0 ? 1 : 0)
}

const totals: Record<string, number> = {}
const failures: RunResult[] = []
let done = 0
let virtualMs = 0
let toldAt = 0

function note(result: RunResult): 'on' | 'enough' {
  done++
  virtualMs += result.virtualMs
  for (const [what, by] of Object.entries(result.counts)) totals[what] = (totals[what] ?? 0) + by
  if (values.trace) say(result.tail.join('\n'))
  if (result.violations.length > 0) {
    failures.push(result)
    say(`seed ${result.seed} FAILED: ${result.violations[0]}`)
  }
  if (elapsed() - toldAt > 10 || done === seeds) {
    toldAt = elapsed()
    const hours = (virtualMs / 3_600_000).toFixed(0)
    say(`${done} of ${seeds} seeds, ${failures.length} failed, ${elapsed().toFixed(0)} s, ${hours} h simulated`)
  }
  return failures.length > 0 && !values.keep ? 'enough' : 'on'
}

const options = { plan: changed, fullTrace: values.trace, logs: values.logs }
if (seeds === 1) {
  note(await simulate(from, options))
} else {
  const tasks = function* (): Generator<Task> {
    for (let seed = from; seed < from + seeds; seed++) yield { kind: 'seed', seed, options }
  }
  const crew = createCrew<Task, Done>(Math.min(jobs, seeds), new URL('./worker.ts', import.meta.url))
  await crew.work(tasks(), one => (one.kind === 'seed' ? note(one.result) : 'on'))
}
say(
  Object.entries(totals)
    .map(([what, count]) => `${what}: ${count}`)
    .join(', '),
)
const [first] = failures.sort((a, b) => a.seed - b.seed)
if (first && !values.keep) await explain(first)
process.exit(failures.length > 0 ? 1 : 0)

/** The same failure in a smaller world, if there is one. */
async function explain(failed: RunResult): Promise<void> {
  say(`seed ${failed.seed}: looking for a smaller plan that fails …`)
  const { change, result } = await shrink(failed, plan => simulate(failed.seed, { plan: { ...changed, ...plan } }))
  if (!values.trace) say(result.tail.slice(-Number(values.lines)).join('\n'))
  say(`seed ${result.seed}: ${JSON.stringify(result.plan)}`)
  for (const violation of result.violations) say(`  ✗ ${violation}`)
  const plan = JSON.stringify({ ...changed, ...change })
  say(`again: npm run simulate -- --from ${result.seed} --seeds 1 --plan '${plan}' --trace --logs`)
}
