import { mutantLoader } from './hooks.ts'
import { MUTANTS } from './mutants.ts'

/** Runs each mutant on one seed after the other until a check notices it. */
export async function huntMutants(options: {
  seeds: number
  from: number
  /** Only mutants whose name contains this. */
  only: string
  say: (text: string) => void
}): Promise<{ caught: number; missed: readonly string[] }> {
  const load = mutantLoader(MUTANTS)
  const missed: string[] = []
  let caught = 0
  for (const mutant of MUTANTS) {
    if (!mutant.name.includes(options.only)) continue
    const { simulate } = await load(mutant)
    let found: { seed: number; by: string } | null = null
    for (let seed = options.from; seed < options.from + options.seeds && !found; seed++) {
      const [violation] = (await simulate(seed)).violations
      if (violation) found = { seed, by: violation }
    }
    if (found) caught++
    else missed.push(mutant.name)
    options.say(found ? `caught by seed ${found.seed}: ${mutant.name}: ${found.by}` : `NOT CAUGHT: ${mutant.name}`)
  }
  return { caught, missed }
}
