import { parentPort } from 'node:worker_threads'
import type { Word } from './crew.ts'
import { mutantLoader } from './hooks.ts'
import { MUTANTS } from './mutants.ts'
import type { RunOptions, RunResult } from './run.ts'
import { simulate } from './run.ts'

/** One seed, or one mutant on one seed after the other until a check notices it. */
export type Task =
  | { readonly kind: 'seed'; readonly seed: number; readonly options: RunOptions }
  | { readonly kind: 'mutant'; readonly index: number; readonly from: number; readonly seeds: number }

export type Done =
  | { readonly kind: 'seed'; readonly result: RunResult }
  | { readonly kind: 'mutant'; readonly index: number; readonly found: Found | null }

export interface Found {
  readonly seed: number
  readonly by: string
}

// Errors are part of every storm, and nobody reads where they came from.
Error.stackTraceLimit = 0
const load = mutantLoader(MUTANTS)

async function hunt({ index, from, seeds }: Extract<Task, { kind: 'mutant' }>): Promise<Found | null> {
  const mutant = MUTANTS[index]
  if (!mutant) return null
  const { simulate: simulateMutant } = await load(mutant)
  for (let seed = from; seed < from + seeds; seed++) {
    const { plan } = mutant
    const [by] = (await simulateMutant(seed, plan ? { plan } : {})).violations
    if (by) return { seed, by }
  }
  return null
}

async function work(task: Task): Promise<Done> {
  if (task.kind === 'mutant') return { kind: 'mutant', index: task.index, found: await hunt(task) }
  return { kind: 'seed', result: await simulate(task.seed, task.options) }
}

const say = (word: Word<Done>) => parentPort?.postMessage(word)
parentPort?.on('message', ({ task }: { task: Task }) => {
  work(task).then(
    result => say({ result }),
    error => say({ failure: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
  )
})
say('ready')
