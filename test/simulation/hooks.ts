import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../src/lib/errors.ts'
import type { Mutant } from './mutants.ts'

const ROOT = new URL('../../', import.meta.url).href
const MARK = 'mutant'

/**
 * Loads the simulation, and all of the program that it imports, once more for each mutant: modules imported from a marked one are
 * marked as well, and the mutant's file is changed on the way. Rejects when there is nothing to change: the program has moved on.
 */
export function mutantLoader(mutants: readonly Mutant[]): (mutant: Mutant) => Promise<typeof import('./run.ts')> {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context)
      const mark = context.parentURL ? new URL(context.parentURL).searchParams.get(MARK) : null
      if (mark === null || !resolved.url.startsWith(ROOT) || resolved.url.includes('/node_modules/')) return resolved
      return { ...resolved, url: `${resolved.url}?${MARK}=${mark}` }
    },
    load(url, context, next) {
      if (!url.startsWith(ROOT)) return next(url, context)
      const mark = new URL(url).searchParams.get(MARK)
      const mutant = mark === null ? undefined : mutants[Number(mark)]
      if (!mutant || !url.startsWith(`${ROOT}src/${mutant.file}?`)) return next(url, context)
      const source = readFileSync(fileURLToPath(url.slice(0, url.indexOf('?'))), 'utf8')
      return { format: 'module-typescript', source: changed(source, mutant), shortCircuit: true }
    },
  })
  return mutant => import(`./run.ts?${MARK}=${mutants.indexOf(mutant)}`)
}

/** Rejects where the mutant does not fit the program any more. */
export function changed(source: string, mutant: Mutant): string {
  return mutant.edits.reduce((text, { from, to }) => {
    const parts = text.split(from)
    if (parts.length === 2) return parts.join(to)
    throw new AppError(
      `The mutant "${mutant.name}" wants to change src/${mutant.file} where it says\n${from}\nwhich is there ${parts.length - 1} times and has to be there once. Adapt test/simulation/mutants.ts.`,
      { code: 'simulation.mutant', intent: 'fix' },
    )
  }, source)
}
