import { start } from './0001-start.ts'
import { epochs } from './0002-epochs.ts'
import { reading } from './0003-reading.ts'
import type { Migration } from './migration.ts'

/** In order, never changed once released: a step's place in this list is the schema version it leads to. */
export const MIGRATIONS: readonly Migration[] = [start, epochs, reading]
