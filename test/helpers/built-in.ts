import { sourcesByVendor } from '../../src/sources/built-in.ts'
import type { Source } from '../../src/sources/define-source.ts'

/** The source of a vendor that needs no `sources` in the configuration. */
export function builtIn(vendor: string): Source {
  const source = sourcesByVendor([]).get(vendor)
  if (source) return source
  throw new Error(`there is no built-in source of ${vendor}`)
}
