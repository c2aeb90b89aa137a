import { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import { expect, test } from 'vitest'
import { relaxedTransactions, sqliteKyselyDialect } from '../../../src/store/sqlite/sqlite-driver.ts'

const FULL = 2
const NORMAL = 1

test('only a relaxed transaction does not wait for the disk; the next one does, also when the relaxed one failed', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec('pragma synchronous = full')
  const db = new Kysely<{ t: { n: number } }>({ dialect: sqliteKyselyDialect(database, 'memory') })
  const relaxed = relaxedTransactions(database, db)
  const level = async (on: typeof db) =>
    (await sql<{ synchronous: number }>`pragma synchronous`.execute(on)).rows[0]?.synchronous
  await sql`create table t (n integer primary key)`.execute(db)

  const inside = relaxed(async trx => {
    await sql`insert into t values (1)`.execute(trx)
    return level(trx)
  })
  const beside = db.transaction().execute(level)
  const failed = relaxed(async trx => {
    await sql`insert into t values (2)`.execute(trx)
    await sql`insert into t values (1)`.execute(trx)
  })
  expect([await inside, await beside]).toEqual([NORMAL, FULL])
  await expect(failed).rejects.toThrow('UNIQUE')
  expect([await level(db), database.prepare('select n from t').all()]).toEqual([FULL, [{ n: 1 }]])
  await db.destroy()
})
