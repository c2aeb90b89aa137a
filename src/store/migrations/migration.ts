import type { Kysely, RawBuilder } from 'kysely'
import type { Schema } from '../sql/tables.ts'

/** How a column type is called on each database. */
export interface ColumnTypes {
  /** The numbered primary key; numbers are never used again. */
  readonly serial: RawBuilder<unknown>
  /** 64 bits. */
  readonly int: RawBuilder<unknown>
  /** Text that is compared and sorted by its bytes. */
  readonly key: RawBuilder<unknown>
  readonly text: RawBuilder<unknown>
}

/** One step forward. */
export type Migration = (db: Kysely<Schema>, types: ColumnTypes) => Promise<void>
