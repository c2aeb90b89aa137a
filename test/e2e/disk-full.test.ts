import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readSettings } from '../../src/config/environment.ts'
import { loadSecretKey } from '../../src/config/secret-key.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { freePorts } from '../helpers/kafka/ports.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { createShop, withSubscribers } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { type TightDisk, tightDisk } from '../helpers/tight-disk.ts'
import { until } from '../helpers/until.ts'
import { isGood, judge } from '../torture/verdict.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let shop: ReturnType<typeof createShop>
let steady: Awaited<ReturnType<typeof subscriber>>
let shaky: Awaited<ReturnType<typeof subscriber>>
let programs: Program[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  shop = createShop(sandbox, 7)
  const random = createRandom(3)
  steady = await subscriber(0, random)
  shaky = await subscriber(0.2, random)
  await configure(folder.path, withSubscribers(sandbox, { steady, shaky }))
})
afterEach(async () => {
  await Promise.all(programs.map(({ end }) => end('SIGKILL')))
  programs = []
  await Promise.all([steady.close(), shaky.close(), sandbox.close(), folder.remove()])
})

function liveOn(orders: number, moves = Number.POSITIVE_INFINITY): void {
  for (let i = 0; i < orders; i++) shop.open()
  for (let i = 0; i < moves && shop.move(); i++);
}

const delivered = () => {
  const count = shop.facts().length
  return steady.ids().size >= count && shaky.ids().size >= count
}
const ready = async (program: Program) => (await program.get('/readyz')).status
const detail = async (program: Program) => JSON.stringify((await program.get('/readyz')).body)

const probe = await tightDisk(1)
await probe?.remove()

describe.skipIf(!probe)('on a full disk', () => {
  let disk: TightDisk
  beforeEach(async () => {
    const mounted = await tightDisk(3)
    if (!mounted) throw new Error('no disk')
    disk = mounted
  })
  afterEach(() => disk.remove())

  const start = async () => {
    const program = await startProgram(folder.path, { ORDERWIRE_DATA: join(disk.path, 'data') })
    programs.push(program)
    return program
  }

  test('it stays alive, says so, sends nothing that is not stored, and goes on by itself when there is room', async () => {
    const program = await start()
    liveOn(20, 60)
    await until('all is delivered', delivered)
    await until('and noted', async () => (await ready(program)) === 200)
    disk.fill()
    const before = steady.received.length + shaky.received.length
    liveOn(20)
    await until('it is not ready', async () => (await ready(program)) === 503)
    await until('ingest says why', async () =>
      /"ingest":\{"state":"failing","detail":"[^"]*free space/.test(await detail(program)),
    )
    expect((await program.get('/healthz')).status).toBe(200)
    expect(program.output()).toMatch(/disk is full; free space on the disk/)
    expect(steady.received.length + shaky.received.length).toBe(before)
    disk.free()
    await until('all is delivered', delivered, 30_000)
    await until('it is ready', async () => (await ready(program)) === 200)
    expect(isGood(await judge({ facts: shop.facts(), api: program, subscribers: [steady, shaky] }))).toBe(true)
    expect(await program.end('SIGTERM')).toBe(0)
  })

  test('filled by its own events, killed and started again: the store is whole and nothing is lost', async () => {
    const first = await start()
    const full = () => /disk is full/.test(first.output())
    await until('it has filled the disk', () => {
      liveOn(4, 20)
      return full()
    })
    liveOn(40, 100)
    await first.end('SIGKILL')
    const second = startProgram(folder.path, { ORDERWIRE_DATA: join(disk.path, 'data') })
    disk.enlarge(64)
    const program = await second
    programs.push(program)
    liveOn(1)
    await until('all is delivered', delivered, 30_000)
    expect(isGood(await judge({ facts: shop.facts(), api: program, subscribers: [steady, shaky] }))).toBe(true)
    expect(await program.end('SIGTERM')).toBe(0)
    const database = new DatabaseSync(join(disk.path, 'data/orderwire.db'), { readOnly: true })
    expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
    database.close()
  })

  test('no half of a secret key is left behind', async () => {
    const dataFolder = join(disk.path, 'data')
    const load = () => loadSecretKey({ ...readSettings({}), dataFolder })
    disk.fill()
    await expect(load()).rejects.toThrow(/disk is full/)
    disk.free()
    const key = await load()
    expect(key).toHaveLength(32)
    expect(await load()).toEqual(key)
    expect(readdirSync(dataFolder)).toEqual(['secret.key'])
  })

  // Nothing fits; the database does, and only half of what it needs beside it.
  test.each([0, 20])('with %i KiB left, start says what to do, waits for room and begins', async left => {
    disk.fill(left)
    const [port] = await freePorts(1)
    const starting = startProgram(folder.path, { ORDERWIRE_DATA: join(disk.path, 'data'), PORT: String(port) })
    const answer = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).text()
    await until('it says why it is not ready', async () => /free space/i.test(await answer().catch(() => '')))
    disk.free()
    const program = await starting
    programs.push(program)
    expect(await program.end('SIGTERM')).toBe(0)
    expect(program.output()).toMatch(/waiting for what cannot be reached yet/)
  })
})

describe.skipIf(!existsSync('/dev/full'))('with its output on a full disk', () => {
  test('a server loses lines of its log only', async () => {
    const under = ['sh', '-c', 'exec "$@" >/dev/full 2>/dev/full', 'sh']
    const { promise, resolve } = Promise.withResolvers<ChildProcess>()
    startProgram(folder.path, {}, [], { under, spawned: resolve }).catch(() => {})
    const child = await promise
    const closed = once(child, 'close')
    liveOn(5)
    await until('it works', delivered).finally(() => child.kill('SIGTERM'))
    expect((await closed)[0]).toBe(0)
  })

  test('a command fails and says so', async () => {
    const { code, stderr } = await command(folder.path, ['--help'], {}, ['sh', '-c', 'exec "$@" >/dev/full', 'sh'])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^orderwire: The output could not be written whole: .*\n$/),
    ])
  })
})
