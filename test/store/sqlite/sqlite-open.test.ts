import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { openSqlite } from '../../../src/store/sqlite/sqlite.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const clock = systemClock()

describe('opening the embedded store', () => {
  let temporary: { path: string; remove(): Promise<void> }
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(async () => {
    temporary = await temporaryFolder()
    folder = join(temporary.path, 'data')
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await temporary.remove()
  })

  const open = () => openSqlite({ folder, clock })
  const file = () => join(folder, 'orderwire.db')

  async function refusal(): Promise<AppError> {
    try {
      await (await open()).close()
    } catch (error) {
      if (error instanceof AppError) return error
      throw error
    }
    throw new Error('the store opened')
  }

  async function holdElsewhere(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'hold-store.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', code => reject(new Error(`the holder ended with ${code}`)))
    })
    return child
  }

  test('makes the folder and the file for its owner alone', async () => {
    const store = await open()
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of ['orderwire.db', 'orderwire.db-wal', 'orderwire.pid'])
      expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0)
    await store.close()
  })

  test('writes are on the disk when they resolve: write-ahead log, full synchronisation', async () => {
    const store = await open()
    const other = new DatabaseSync(file())
    expect(other.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
    other.close()
    await store.close()
  })

  test('a folder in use by another process is refused, naming folder and process', async () => {
    const holder = await holdElsewhere()
    const error = await refusal()
    expect(error).toMatchObject({ code: 'store.folder_in_use', intent: 'fix' })
    expect(error.message).toContain(folder)
    expect(error.message).toContain(`process ${holder.pid}`)
  })

  test('a folder in use by this process is refused too, and stays in use', async () => {
    const store = await open()
    expect(await refusal()).toMatchObject({ code: 'store.folder_in_use' })
    expect(await refusal()).toMatchObject({ code: 'store.folder_in_use' })
    await store.offsets.set('g', 0, 1)
    await store.close()
    await (await open()).close()
  })

  test('after its holder was killed a folder opens at once, with everything written', async () => {
    const holder = await holdElsewhere()
    const gone = new Promise(resolve => holder.once('exit', resolve))
    holder.kill('SIGKILL')
    await gone
    const store = await open()
    expect(await store.offsets.get('held by', 0)).toBe(holder.pid)
    expect(readFileSync(join(folder, 'orderwire.pid'), 'utf8').trim()).toBe(String(process.pid))
    await store.close()
    expect(existsSync(join(folder, 'orderwire.pid'))).toBe(false)
  })

  test('closing twice is the same as closing once, and a closed store refuses', async () => {
    const store = await open()
    await store.close()
    await store.close()
    await expect(store.offsets.get('g', 0)).rejects.toThrow()
  })

  test('closing waits for running calls', async () => {
    const store = await open()
    const writes = Promise.all(Array.from({ length: 20 }, (_, index) => store.offsets.set('g', index, 1)))
    await store.close()
    await writes
    const again = await open()
    expect(await again.offsets.get('g', 19)).toBe(1)
    await again.close()
  })

  test('a path that is a file is refused', async () => {
    writeFileSync(folder, '')
    const error = await refusal()
    expect(error).toMatchObject({ code: 'store.folder_unusable', intent: 'fix' })
    expect(error.message).toContain('ORDERWIRE_DATA')
  })

  test('a folder that cannot be made is refused', async () => {
    folder = '/proc/orderwire/data'
    expect(await refusal()).toMatchObject({ code: 'store.folder_unusable', intent: 'fix' })
  })

  test.skipIf(process.getuid?.() === 0)('a folder that cannot be written to is refused', async () => {
    mkdirSync(folder)
    chmodSync(folder, 0o500)
    expect(await refusal()).toMatchObject({ code: 'store.folder_unusable', intent: 'fix' })
  })

  test('a file that is no database is refused and left as it is', async () => {
    mkdirSync(folder)
    const garbage = 'this is no database, but somebody may want it back. '.repeat(100)
    writeFileSync(file(), garbage)
    const error = await refusal()
    expect(error).toMatchObject({ code: 'store.corrupt', intent: 'fix' })
    expect(error.message).toContain(file())
    expect(readFileSync(file(), 'utf8')).toBe(garbage)
    expect(await refusal()).toMatchObject({ code: 'store.corrupt' })
  })

  test('a directory in place of the file is refused', async () => {
    mkdirSync(file(), { recursive: true })
    expect(await refusal()).toMatchObject({ code: 'store.cannot_open', intent: 'fix' })
  })

  test('a schema newer than the program is refused, and not a byte is changed', async () => {
    await (await open()).close()
    const database = new DatabaseSync(file())
    database.exec('insert into schema_version (version, at) values (99, 0)')
    database.close()
    const before = readFileSync(file())
    const error = await refusal()
    expect(error).toMatchObject({ code: 'store.schema_newer', intent: 'fix' })
    expect(error.message).toMatch(/version 99/)
    expect(readFileSync(file()).equals(before)).toBe(true)
    expect(existsSync(join(folder, 'orderwire.pid'))).toBe(false)
  })

  test('an empty file is a new store', async () => {
    mkdirSync(folder)
    writeFileSync(file(), '')
    const store = await open()
    expect(await store.check()).toContain(file())
    await store.close()
  })
})
