import { compile, type JSONValue } from 'json-p3'
import type { RestPaths } from '../../../schemas/vendor/rest-path.ts'
import { emptyAsNull } from '../shared/parse.ts'

/** JSONPaths of a configuration, compiled once. The schema has checked that they are JSONPaths. */

/** A value, and where it stands in the row, as quarantine entries name it. */
export interface Found {
  readonly path: string
  readonly value: unknown
}

/** Finds the first value that is not empty. */
export type Finder = (row: unknown) => Found

const plain = (path: string): string => path.replace(/^\$\.?/, '')

export function createFinder(paths: RestPaths): Finder {
  const queries = [paths].flat().map(path => ({ path: plain(path), query: compile(path) }))
  return row => {
    let first: Found | null = null
    for (const { path, query } of queries) {
      const value: unknown = query.match(row as JSONValue)?.value
      if (emptyAsNull(value) !== null) return { path, value }
      first ??= { path, value }
    }
    return first ?? { path: '', value: undefined }
  }
}

/** A finder of a field that the configuration may leave out. */
export const optionalFinder = (paths: RestPaths | undefined): Finder | null =>
  paths === undefined ? null : createFinder(paths)

/** Finds a list: what a path names, or all that a path with several results leads to. */
export function createListFinder(path: string): Finder {
  const query = compile(path)
  const isOne = query.singularQuery()
  return row => {
    const found = query.query(row as JSONValue).values()
    return { path: plain(path), value: isOne ? found[0] : found }
  }
}
