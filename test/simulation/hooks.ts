import { registerHooks } from 'node:module'
import type { Mutant } from './mutants.ts'
import { planted, readSources, type Sources } from './plant.ts'

const ROOT = new URL('../../', import.meta.url).href
const MARK = 'mutant'

/**
 * Loads the simulation, and all of the program that it imports, once more for each mutant: modules imported from a marked one are
 * marked as well, and the mutant's functions are changed on the way. Rejects if the mutant does not fit the program.
 */
export function mutantLoader(mutants: readonly Mutant[]): (mutant: Mutant) => Promise<typeof import('./run.ts')> {
  const sources = readSources()
  const changed = new Map<string, Sources>()
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context)
      const mark = context.parentURL ? new URL(context.parentURL).searchParams.get(MARK) : null
      if (mark === null || !resolved.url.startsWith(ROOT) || resolved.url.includes('/node_modules/')) return resolved
      return { ...resolved, url: `${resolved.url}?${MARK}=${mark}` }
    },
    load(url, context, next) {
      const [file = '', mark = ''] = url.split(`?${MARK}=`)
      const source = changed.get(mark)?.get(file)
      if (source === undefined) return next(url, context)
      return { format: 'module-typescript', source, shortCircuit: true }
    },
  })
  return async mutant => {
    const mark = String(mutants.indexOf(mutant))
    changed.set(mark, planted(mutant, sources))
    return import(`./run.ts?${MARK}=${mark}`)
  }
}
