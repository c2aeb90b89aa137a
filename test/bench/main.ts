import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'

/**
 * `npm run bench [-- NAME …] [--json FILE] [--compare FILE]`: the benches of this folder that take `--json`, one after the other. `--compare`
 * shows the median of each figure beside that of an earlier `--json` file.
 */
const NAMES = ['poll', 'deliveries'].filter(name => existsSync(join(import.meta.dirname, `${name}.ts`)))
/** The same bench with other options. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  'deliveries-kafka': ['deliveries', '--log', 'kafka'],
  latency: ['deliveries', '--latency'],
  'latency-kafka': ['deliveries', '--latency', '--log', 'kafka'],
}
const { values, positionals } = parseArgs({
  options: { json: { type: 'string' }, compare: { type: 'string' } },
  allowPositionals: true,
})
const Results = z.array(z.object({ row: z.string() }).catchall(z.union([z.string(), z.number()])))
type Results = z.infer<typeof Results>
const resultsIn = (file: string): Results => Results.parse(JSON.parse(readFileSync(file, 'utf8')))

const folder = mkdtempSync(join(tmpdir(), 'bench-results-'))
const results: Results = []
for (const name of positionals.length > 0 ? positionals : NAMES) {
  const file = join(folder, `${name}.json`)
  const [bare = name, ...options] = VARIANTS[name] ?? []
  const program = join(import.meta.dirname, `${bare}.ts`)
  const bench = spawn(process.execPath, [program, ...options, '--json', file], { stdio: 'inherit' })
  const [code] = await once(bench, 'exit')
  if (code !== 0) process.exit(1)
  results.push(...resultsIn(file).map(result => ({ ...result, row: `${name}: ${result.row}` })))
}
rmSync(folder, { recursive: true })
if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2))
const before = values.compare ? medians(resultsIn(values.compare)) : null
for (const [row, figures] of medians(results))
  for (const [figure, value] of figures) {
    const earlier = before?.get(row)?.get(figure)
    const beside = earlier === undefined ? '' : `  was ${earlier.toFixed(2)}, × ${(value / earlier).toFixed(2)}`
    console.log(`${row.padEnd(30)} ${figure.padEnd(12)} ${value.toFixed(2).padStart(12)}${beside}`)
  }

/** The median of each figure, by row. */
function medians(all: Results): Map<string, Map<string, number>> {
  const rows = Map.groupBy(all, ({ row }) => row)
  return new Map(
    [...rows].map(([row, runs]) => {
      const figures = Object.keys(runs[0] ?? {}).filter(name => typeof runs[0]?.[name] === 'number')
      return [row, new Map(figures.map(name => [name, middleOf(runs.map(run => Number(run[name])))]))]
    }),
  )
}

function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
