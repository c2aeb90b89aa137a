import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openSqlite } from '../../../src/store/sqlite/sqlite.ts'
import { backupSqlite } from '../../../src/store/sqlite/sqlite-backup.ts'
import { remember } from '../../contract/store/world.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const clock = systemClock()
let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const at = (name: string) => join(folder.path, name)

test('a copy has all commits, is readable by its owner only, and continues behind all numbers that may have been given', async () => {
  const store = await openSqlite({ folder: at('data'), clock })
  await remember(store, eventsOf('a', 3))
  const size = backupSqlite({ folder: at('data'), file: at('copy.db') })
  await remember(store, eventsOf('b', 3))
  expect([statSync(at('copy.db')).size, statSync(at('copy.db')).mode & 0o777]).toEqual([size, 0o600])
  expect(readdirSync(folder.path).toSorted()).toEqual(['copy.db', 'data'])
  const lastNow = await store.events.last()
  await store.close()

  mkdirSync(at('restored'))
  renameSync(at('copy.db'), at('restored/orderwire.db'))
  const restored = await openSqlite({ folder: at('restored'), clock })
  expect((await restored.events.list({}, { limit: 10 })).map(({ n, orderId }) => [n, orderId])).toEqual([
    [1, 'a'],
    [2, 'a'],
    [3, 'a'],
  ])
  await remember(restored, eventsOf('c', 1))
  expect(await restored.events.last()).toBeGreaterThan(lastNow)
  await restored.close()
})

test('a store whose process was killed is copied with all its commits', async () => {
  const store = await openSqlite({ folder: at('data'), clock })
  await remember(store, eventsOf('a', 3))
  // As after a kill: the write-ahead log is there, its index is not.
  const image = at('killed')
  mkdirSync(image)
  for (const name of ['orderwire.db', 'orderwire.db-wal']) copyFileSync(at(`data/${name}`), join(image, name))
  await store.close()
  backupSqlite({ folder: image, file: at('copy.db') })
  const copy = new DatabaseSync(at('copy.db'), { readOnly: true })
  expect(copy.prepare('select count(*) as count from events').get()).toEqual({ count: 3 })
  copy.close()
})

test('a copy of a damaged store is not kept', async () => {
  const store = await openSqlite({ folder: at('data'), clock })
  await remember(store, eventsOf('a', 300))
  await store.close()
  const handle = openSync(at('data/orderwire.db'), 'r+')
  const size = statSync(at('data/orderwire.db')).size
  for (let page = 4096 * 20; page < size; page += 4096 * 3) writeSync(handle, Buffer.alloc(4096, 0x5a), 0, 4096, page)
  closeSync(handle)
  expect(() => backupSqlite({ folder: at('data'), file: at('copy.db') })).toThrow(
    expect.objectContaining({ code: 'store.corrupt' }),
  )
  expect(existsSync(at('copy.db'))).toBe(false)
  expect(readdirSync(folder.path)).toEqual(['data'])
})
