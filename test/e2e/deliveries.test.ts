import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { subscriber } from '../helpers/subscriber.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const HANDLER_MODULE = join(import.meta.dirname, '../../src/destinations/handlers/define-handler.ts')

/** A handler that writes each event it takes to a file, and refuses paid events while the file `broken` is there. */
const STUBBORN = `
import { appendFileSync, existsSync } from 'node:fs'
import { defineHandler } from ${JSON.stringify(HANDLER_MODULE)}
export default defineHandler({
  on: '*',
  run(event) {
    if (event.type === 'order.paid' && existsSync('broken')) throw new Error('not now')
    appendFileSync('stubborn.log', event.partitionkey + ' ' + event.data.sequence + '\\n')
  },
})
`

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let healthy: Awaited<ReturnType<typeof subscriber>>
let program: Program

beforeAll(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  healthy = await subscriber(0, createRandom(1))
  await mkdir(join(folder.path, 'handlers'))
  await writeFile(join(folder.path, 'handlers/stubborn.ts'), STUBBORN)
  await writeFile(join(folder.path, 'broken'), '')
  await configure(folder.path, {
    connections: connectionsTo(sandbox),
    endpoints: [
      { id: 'healthy', url: healthy.url },
      { id: 'dead', url: 'http://127.0.0.1:9/' },
    ],
    network: { allow: ['127.0.0.0/8'] },
    delivery: { retries: ['50ms'], onExhausted: 'hold' },
  })
  program = await startProgram(folder.path)
})

afterAll(async () => {
  await program.end('SIGKILL')
  await Promise.all([sandbox.close(), healthy.close(), folder.remove()])
})

const listed = async (path: string) => ((await program.get(path)).body as { data: Record<string, unknown>[] }).data
const queued = async (path: string, body: unknown) => {
  const response = await fetch(program.url + path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
  return ((await response.json()) as { queued: number }).queued
}

test('a throwing handler and a dead endpoint delay nobody else; what failed holds its order and arrives in sequence once redriven', async () => {
  const shop = createShop(sandbox, 3)
  for (let i = 0; i < 30; i++) shop.open()
  while (shop.move()) {
    // all lives at once
  }
  const facts = shop.facts()
  const held = facts.filter(fact => fact.endsWith(' paid')).length
  await until('the healthy endpoint has everything', () => healthy.ids().size === facts.length)
  expect(healthy.inversions()).toEqual([])
  await until(
    'each paid event is held for the handler',
    async () => (await listed('/v1/dead-letters?destination=stubborn&limit=250')).length === held,
  )
  const letters = await listed('/v1/dead-letters?destination=stubborn&limit=250')
  expect(letters.every(({ holding }) => holding === true)).toBe(true)
  const waiting = (await listed('/v1/destinations')).find(({ id }) => id === 'stubborn')
  expect(waiting).toMatchObject({ kind: 'handler', state: 'active', deadLetters: held })

  await rm(join(folder.path, 'broken'))
  expect(await queued('/v1/dead-letters/redrive', { destination: 'stubborn' })).toBe(held)
  const log = () => readFile(join(folder.path, 'stubborn.log'), 'utf8').then(text => text.trim().split('\n'))
  await until('the handler has everything', async () => (await log()).length === facts.length)
  const next = new Map<string, number>()
  for (const line of await log()) {
    const [order = '', sequence] = line.split(' ')
    expect(Number(sequence)).toBe((next.get(order) ?? 0) + 1)
    next.set(order, Number(sequence))
  }
  expect(await listed('/v1/dead-letters?destination=stubborn')).toEqual([])
})

test('the past is replayed to a destination in order, from the command line', async () => {
  const before = healthy.received.length
  const { code, stdout } = await command(folder.path, ['replay', '--to', 'healthy', '--type', 'order.paid', '--json'])
  expect(code).toBe(0)
  const { queued: count } = JSON.parse(stdout)
  expect(count).toBeGreaterThan(10)
  await until('the replay has arrived', () => healthy.received.length === before + count)
  expect(new Set(healthy.received.slice(before).map(({ type }) => type))).toEqual(new Set(['order.paid']))
})
