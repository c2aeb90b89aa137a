import type { Kysely, RawBuilder } from 'kysely'
import type { Schema } from '../sql/tables.ts'

/** The names of column types on each database. */
export interface ColumnTypes {
  /** The numbered primary key. Numbers are never used twice. */
  readonly serial: RawBuilder<unknown>
  /** 64 bits. */
  readonly int: RawBuilder<unknown>
  /** Text compared and sorted by its bytes. */
  readonly key: RawBuilder<unknown>
  readonly text: RawBuilder<unknown>
}

/** One step forward. */
export type Migration = (db: Kysely<Schema>, types: ColumnTypes) => Promise<void>
