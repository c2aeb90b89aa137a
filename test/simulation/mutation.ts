import { createCrew } from './crew.ts'
import { MUTANTS } from './mutants.ts'
import type { Done, Task } from './worker.ts'

/** Runs mutants, each on one seed after the other until a check notices it. */
export async function huntMutants(options: {
  seeds: number
  from: number
  jobs: number
  /** Only mutants whose name matches this. */
  only: string
  say: (text: string) => void
}): Promise<{ caught: number; missed: readonly string[] }> {
  const { seeds, from, only, say } = options
  const chosen = [...MUTANTS.entries()].filter(([, { name }]) => new RegExp(only).test(name))
  const tasks = chosen.map(([index, mutant]): Task => ({ kind: 'mutant', index, from: mutant.from ?? from, seeds }))
  const missed: string[] = []
  let caught = 0
  const jobs = Math.min(options.jobs, Math.max(tasks.length, 1))
  await createCrew<Task, Done>(jobs, new URL('./worker.ts', import.meta.url)).work(tasks, done => {
    if (done.kind !== 'mutant') return 'on'
    const name = MUTANTS[done.index]?.name ?? ''
    if (done.found) caught++
    else missed.push(name)
    say(done.found ? `caught by seed ${done.found.seed}: ${name}: ${done.found.by}` : `NOT CAUGHT: ${name}`)
    return 'on'
  })
  return { caught, missed }
}
