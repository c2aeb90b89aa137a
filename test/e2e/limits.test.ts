import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { createReceiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** What the system allows a process is less than it would like to have. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let program: Program | null = null
beforeEach(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
})
afterEach(async () => {
  await program?.end('SIGKILL')
  program = null
  await Promise.all([sandbox.close(), folder.remove()])
})

const network = { allow: ['127.0.0.0/8'] }

const hasPrlimit = (() => {
  try {
    execFileSync('prlimit', ['--version'])
    return true
  } catch {
    console.warn('no `prlimit` on this machine; tests with few file descriptors are skipped')
    return false
  }
})()

describe.skipIf(!hasPrlimit)('with few file descriptors', () => {
  const LIMIT = 64

  test('strangers and a crowd of endpoints cost time, and no event, no order and no dead letter', async () => {
    const subscribers = await Promise.all(Array.from({ length: 8 }, () => subscriber(0, createRandom(1))))
    const shop = createShop(sandbox, 7)
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      endpoints: subscribers.map(({ url }, index) => ({ id: `e${index}`, url })),
      network,
      delivery: { concurrency: 4, retries: ['50ms', '50ms'] },
    })
    const started = await startProgram(folder.path, {}, [], { under: ['prlimit', `--nofile=${LIMIT}`] })
    program = started
    const strangers: Socket[] = []
    const crowd = () => {
      for (let i = 0; i < LIMIT * 2; i++) {
        const socket = connect(Number(new URL(started.url).port), '127.0.0.1')
        socket.on('error', () => {})
        strangers.push(socket)
      }
    }
    crowd()
    for (let i = 0; i < 60; i++) shop.open()
    while (shop.move()) {
      // all lives at once
    }
    const open = () => readdirSync(`/proc/${started.child.pid}/fd`).length
    await until('there is nothing left to open', () => open() >= LIMIT - 1)
    expect(started.child.exitCode).toBeNull()
    for (const socket of strangers) socket.destroy()
    const facts = shop.facts()
    await until('everybody has everything', () => subscribers.every(one => one.ids().size >= facts.length), 60_000)
    expect(subscribers.flatMap(one => one.inversions())).toEqual([])
    // It may still count some of the strangers, and let nobody else in.
    const answer = (path: string) => started.get(path).catch(() => null)
    await until('it is ready', async () => (await answer('/readyz'))?.status === 200)
    const letters = async () => (await answer('/v1/dead-letters'))?.body as { data: unknown[] } | undefined
    await until('it says that there are no dead letters', async () => (await letters())?.data.length === 0)
    expect(await started.end('SIGTERM')).toBe(0)
    await Promise.all(subscribers.map(one => one.close()))
  })
})

describe('with little memory', () => {
  test('large pages, a long backlog and slow endpoints fit into a heap of 96 MiB', async () => {
    const ORDERS = 400
    const fast = await subscriber(0, createRandom(1))
    const slow = await createReceiver()
    slow.otherwise = response => void setTimeout(() => response.writeHead(204).end(), 5_000)
    const dead = await createReceiver()
    dead.otherwise = { status: 500, body: Buffer.alloc(64 * 1024, 'no ') }
    await configure(folder.path, {
      connections: (connectionsTo(sandbox) ?? []).map(connection => ({ ...connection, pollEvery: '2s' })),
      endpoints: [
        { id: 'fast', url: fast.url },
        { id: 'slow', url: slow.url },
        { id: 'dead', url: dead.url },
      ],
      network,
      delivery: { concurrency: 100 },
    })
    const { kakaclo } = sandbox
    const put: typeof kakaclo.put = (id, row, options) =>
      kakaclo.put(id, { ...(typeof row === 'string' ? {} : row), remark: 'long '.repeat(4_000) }, options)
    const shop = createShop({ ...sandbox, kakaclo: { ...kakaclo, put } }, 9)
    for (let i = 0; i < ORDERS; i++) shop.open()
    while (shop.move()) {
      // all lives at once
    }
    program = await startProgram(folder.path, { NODE_OPTIONS: '--max-old-space-size=96' })
    const facts = shop.facts()
    await until('the fast one has everything', () => fast.ids().size >= facts.length, 60_000)
    expect(fast.inversions()).toEqual([])
    expect(program.child.exitCode).toBeNull()
    expect(await program.end('SIGTERM')).toBe(0)
    await Promise.all([fast.close(), slow.close(), dead.close()])
  })
})
