import { parseArgs } from 'node:util'
import { simulate } from './run.ts'

/** `npm run simulate -- [--seeds 200] [--from 1] [--trace] [--logs]`: exit 1 with the failing seed and the end of its trace. */

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    logs: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    lines: { type: 'string', default: '60' },
  },
})

const from = Number(values.from)
const seeds = Number(values.seeds)
const began = performance.now()
const totals: Record<string, number> = {}
let failed = 0
let virtual = 0
for (let seed = from; seed < from + seeds; seed++) {
  const result = await simulate(seed, { fullTrace: values.trace, logs: values.logs })
  virtual += result.virtualMs
  for (const [what, by] of Object.entries(result.counts)) totals[what] = (totals[what] ?? 0) + by
  if (values.trace) console.log(result.tail.join('\n'))
  if (result.violations.length > 0) {
    failed++
    console.log(`seed ${seed} FAILED: ${JSON.stringify(result.plan)}`)
    if (!values.trace && !values.keep) console.log(result.tail.slice(-Number(values.lines)).join('\n'))
    for (const violation of result.violations) console.log(`  ✗ ${violation}`)
    console.log(`again: npm run simulate -- --from ${seed} --seeds 1 --trace --logs`)
    if (!values.keep) process.exit(1)
  }
  const done = seed - from + 1
  if (done % 100 === 0 || done === seeds) {
    const seconds = (performance.now() - began) / 1000
    console.log(`${done} of ${seeds} seeds, ${failed} failed, ${(seconds / done).toFixed(3)} s each; ${(virtual / 3_600_000).toFixed(0)} h simulated`)
  }
}
console.log(Object.entries(totals).map(([what, by]) => `${what}: ${by}`).join(', '))
process.exit(failed > 0 ? 1 : 0)
