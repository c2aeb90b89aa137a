import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { callHot, callPages, fill } from '../../contract/store/hot-calls.ts'
import { leaseOf } from '../../contract/store/world.ts'
import { openTestSqlite } from '../../helpers/sqlite.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

afterEach(() => vi.restoreAllMocks())

test('no statement of an idle poll, of a delivery, of a drain, of a page or of retention scans a table', async () => {
  const folder = await temporaryFolder()
  const clock = systemClock()
  const first = await openTestSqlite({ folder: folder.path, clock })
  await first.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  await fill(first, await leaseOf(first))
  await first.close()

  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
  const store = await openTestSqlite({ folder: folder.path, clock })
  prepare.mockClear()
  await callHot(store, await leaseOf(store))
  await callPages(store)
  const statements = [...new Set(prepare.mock.calls.map(([text]) => text))]
  prepare.mockRestore()
  await store.close()
  expect(statements.length).toBeGreaterThan(30)

  const database = new DatabaseSync(`${folder.path}/orderwire.db`)
  const scans: string[] = []
  for (const text of statements) {
    // Whether a table has a row at all: the first one is enough.
    if (/^select 1 from \w+ limit 1$/.test(text)) continue
    const count = text.split('?').length - 1
    const plan = database.prepare(`explain query plan ${text}`).all(...Array.from({ length: count }, () => null))
    // Fine: the newest rows of a table, as many as a page has.
    const walks = /order by (letter\.)?n desc limit/.test(text)
    // Fine: the arrays passed in, tables made of them, constant rows, max(n), and tables that stay small.
    for (const { detail } of plan)
      if (
        /^SCAN /.test(String(detail)) &&
        !/^SCAN (json_each|\(|CONSTANT|known|item|each_one|matching|counted|latest|b\d|new|done|asked|chosen|waiting|replays|quarantine|unpublished)/.test(
          String(detail),
        ) &&
        !(walks && /^SCAN (attempts|backlog|dead_letters|letter)$/.test(String(detail)))
      )
        scans.push(`${detail} ← ${text}`)
  }
  database.close()
  await folder.remove()
  expect(scans).toEqual([])
})
