import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInbox, createReceiver, type Verdict } from '../../examples/receiver/receiver.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** The life of an endpoint as docs/receiving.md tells it: by commands, with the example as the receiver. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let program: Program
let receiver: Server
let url: string
let refusals = 0
const secrets: string[] = []
const came: { id: string; verdict: Verdict }[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  receiver = createReceiver({
    secrets,
    inbox: createInbox(),
    taken: ({ id }, verdict) => void came.push({ id, verdict }),
    refused: () => void refusals++,
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  await configure(folder.path, { connections: connectionsTo(sandbox), network: { allow: ['127.0.0.0/8'] } })
  program = await startProgram(folder.path)
})

afterAll(async () => {
  await program.end('SIGKILL')
  receiver.closeAllConnections()
  receiver.close()
  await Promise.all([sandbox.close(), folder.remove()])
})

/** Runs a command, which must succeed, and reads its JSON. */
async function ordered<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await command(folder.path, [...args, '--json'])
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as T
}

type Shown = { state: string; stateReason: string | null; health: { backlog: number; successRate: number | null } }
const shown = async () => (await program.get('/v1/endpoints/mine')).body as Shown
const verdicts = (from: number) => new Set(came.slice(from).map(({ verdict }) => verdict))

describe('an endpoint', () => {
  test('is added, tested, paused, resumed, given another secret, replayed to, disabled, enabled and removed', async () => {
    const shop = createShop(sandbox, 3)
    const happens = (moves: number) => {
      for (let n = 0; n < moves; n++) if (!shop.move()) shop.open()
    }
    const all = () => until('all has come', () => came.length === shop.facts().length + 1)

    const { secret } = await ordered<{ secret: string }>('endpoints', 'add', url, '--id', 'mine')
    secrets.push(secret)
    const told = await command(folder.path, ['endpoints', 'test', 'mine'])
    expect([told.code, told.stdout]).toEqual([0, expect.stringMatching(/^mine answered 204 in \d+ ms\n$/)])
    expect(came).toEqual([{ id: expect.stringMatching(/^evt_/), verdict: 'new' }])

    for (let n = 0; n < 20; n++) shop.open()
    happens(30)
    await all()
    expect(verdicts(0)).toEqual(new Set(['new']))

    await ordered('endpoints', 'pause', 'mine')
    const paused = came.length
    happens(20)
    const waiting = shop.facts().length + 1 - paused
    expect(waiting).toBeGreaterThan(5)
    await until('they wait', async () => (await shown()).health.backlog === waiting)
    expect(await ordered('endpoints', 'show', 'mine')).toMatchObject({
      state: 'paused',
      health: { state: 'paused', successRate: 1 },
    })
    expect(came).toHaveLength(paused)
    expect(await ordered('endpoints', 'resume', 'mine')).toMatchObject({ state: 'active', waiting })
    await all()
    expect(verdicts(0)).toEqual(new Set(['new']))

    const rotated = await ordered<{ secret: string }>('endpoints', 'rotate-secret', 'mine')
    happens(10)
    await all()
    secrets.splice(0, 1, rotated.secret)
    happens(10)
    await all()
    expect([refusals, verdicts(0)]).toEqual([0, new Set(['new'])])

    const events = shop.facts().length
    const before = came.length
    expect(await ordered('replay', '--to', 'mine', '--since', '1h')).toEqual({ queued: events })
    await until('the replay has come', () => came.length === before + events)
    const [, { id } = { id: '' }] = came
    expect(await ordered('replay', '--to', 'mine', '--event', id)).toEqual({ queued: 1 })
    await until('the one event has come', () => came.length === before + events + 1)
    expect(came.at(-1)).toEqual({ id, verdict: 'duplicate' })
    expect(verdicts(before)).toEqual(new Set(['duplicate']))

    await ordered('endpoints', 'pause', 'mine')
    expect(await shown()).toMatchObject({ state: 'paused', stateReason: 'Paused by request.' })
    const held = came.length
    const facts = shop.facts().length
    happens(10)
    const missed = shop.facts().length - facts
    await until('they wait again', async () => (await shown()).health.backlog === missed)
    expect(await ordered('endpoints', 'resume', 'mine')).toMatchObject({ state: 'active', waiting: missed })
    await until('what was missed has come', () => came.length === held + missed)

    await fetch(`${program.url}/v1/destinations/mine/pause`, { method: 'POST' })
    happens(10)
    await until('something waits', async () => (await shown()).health.backlog > 0)
    await ordered('endpoints', 'remove', 'mine')
    expect((await program.get('/v1/endpoints/mine')).status).toBe(404)
    const metrics = await (await fetch(`${program.url}/metrics`)).text()
    expect(metrics).toContain('orderwire_backlog')
    expect(metrics).not.toMatch(/^orderwire_backlog\{destination="mine"\}/m)
    expect(await command(folder.path, ['endpoints', 'show', 'mine'])).toMatchObject({
      code: 1,
      stderr: 'orderwire: There is no endpoint "mine".\n',
    })
  })
})
