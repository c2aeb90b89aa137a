import { cleanReason } from '../../lib/clean-text.ts'
import { emptyAsNull } from './parse.ts'
import type { RowReader } from './row-reader.ts'

/** More of a text than this is not looked at: 200 characters of it are published. */
const MOST_READ = 4096

/** A free-text reason, masked and cut. A long one is cut, not doubted: a doubt would quote it. */
export function readReason(read: RowReader, path: string, value: unknown): string | null {
  const found = emptyAsNull(value)
  return cleanReason(read.text(path, typeof found === 'string' ? found.slice(0, MOST_READ) : value))
}
