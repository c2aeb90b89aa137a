import { readdirSync, readFileSync } from 'node:fs'
import { parseSync, type Span, Visitor } from 'oxc-parser'
import { AppError } from '../../src/lib/errors.ts'
import type { Edit, Mutant } from './mutants.ts'

/** Plants defects into functions by their names: a function may move to any file, and a new name is noticed at once. */

/** Source texts by their URLs. */
export type Sources = ReadonlyMap<string, string>

export function readSources(): Sources {
  const src = new URL('../../src/', import.meta.url)
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
  return new Map(files.map(file => new URL(file, src)).map(url => [url.href, readFileSync(url, 'utf8')]))
}

/** The changed sources. Throws if an edit does not fit exactly one place: the program has moved on. */
export function planted({ name, edits }: Mutant, sources: Sources): Sources {
  const changed = new Map<string, string>()
  for (const edit of edits) {
    const [inFunction, from, to] = edit
    const places = [...sources].flatMap(([url, source]) =>
      placesOf(edit, changed.get(url) ?? source).map(place => ({ url, text: changed.get(url) ?? source, ...place })),
    )
    const [place] = places
    if (!place || places.length > 1)
      throw new AppError(
        `The mutant "${name}" needs exactly one place with\n${from}\nin a function "${inFunction}" of src, and found ${places.length}. ` +
          'Adapt test/simulation/mutants.ts to the function as it is now.',
        { code: 'simulation.mutant', intent: 'fix' },
      )
    changed.set(place.url, place.text.slice(0, place.start) + to + place.text.slice(place.end))
  }
  return changed
}

function placesOf([inFunction, from]: Edit, source: string): readonly Span[] {
  const pattern = new RegExp(from.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(' ', '\\s+'), 'g')
  const places = [...source.matchAll(pattern)].map(({ index, 0: text }) => ({ start: index, end: index + text.length }))
  const functions = places.length === 0 ? [] : functionsNamed(inFunction, source)
  return places.filter(({ start, end }) => functions.some(one => one.start <= start && end <= one.end))
}

/** Declared functions, and those that are kept in a constant or a member of this name. */
function functionsNamed(name: string, source: string): readonly Span[] {
  const found: Span[] = []
  const add = (key: object | null, node: Span) => {
    if (key && 'name' in key && key.name === name) found.push(node)
  }
  new Visitor({
    FunctionDeclaration: node => add(node.id, node),
    VariableDeclarator: node => add(node.id, node),
    Property: node => add(node.key, node),
  }).visit(parseSync('source.ts', source).program)
  return found
}
