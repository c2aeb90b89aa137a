import { start } from './0001-start.ts'
import { terms } from './0002-terms.ts'
import type { Migration } from './migration.ts'

/** In order, never changed once released: a step's place in this list is the schema version it leads to. */
export const MIGRATIONS: readonly Migration[] = [start, terms]
