import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let program: Program | null = null

beforeEach(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  await mkdir(join(folder.path, 'handlers'))
})
afterEach(async () => {
  if (program && program.child.exitCode === null) await program.end('SIGKILL')
  program = null
  await Promise.all([sandbox.close(), folder.remove()])
})

const handler = (id: string, options: string) =>
  writeFile(
    join(folder.path, `handlers/${id}.ts`),
    `import { appendFileSync } from 'node:fs'
     import { defineHandler } from 'orderwire'
     export default defineHandler({ on: '*', ${options} })`,
  )
const calm = () => handler('calm', `run(event) { appendFileSync('calm.log', event.id + '\\n') }`)
const calmLines = () =>
  readFile(join(folder.path, 'calm.log'), 'utf8').then(
    text => text.trim().split('\n').length,
    () => 0,
  )

interface Line {
  readonly level: number
  readonly msg: string
  readonly handler?: string
  readonly handlers?: readonly string[]
  readonly error?: string
}
const linesOf = (from: Program): Line[] =>
  from
    .output()
    .split('\n')
    .flatMap(line => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as Line] : []))
const listed = async (from: Program, path: string) =>
  ((await from.get(path)).body as { data: Record<string, unknown>[] }).data

/** An order with some events. */
function sell(seed: number): number {
  const shop = createShop(sandbox, seed)
  shop.open()
  while (shop.move()) {
    // all of its life at once
  }
  return shop.facts().length
}

describe('an accident in a handler', () => {
  test('is logged with its name, fails the delivery that is in flight, and never ends the process', async () => {
    await calm()
    await handler('leaves', `run() { void Promise.reject(new Error('left alone')) }`)
    await handler(
      'timer',
      `run() { setTimeout(() => { throw new Error('in a timer') }, 5); return new Promise(() => {}) }`,
    )
    await handler('exits', `run() { process.exit(0) }`)
    await handler(
      'ghost',
      `run(event, { signal }) {
      signal.addEventListener('abort', () => { throw new Error('in a listener') })
      return new Promise(() => {}) }, delivery: { timeout: '50ms' }`,
    )
    await configure(folder.path, { connections: connectionsTo(sandbox), delivery: { retries: [], timeout: '20s' } })
    program = await startProgram(folder.path)
    const running = program
    const count = sell(3)
    await until('the calm handler has everything', async () => (await calmLines()) === count)
    const said = (id: string, error: string) =>
      linesOf(running).some(line => line.handler === id && line.error === error)
    await until('the accidents are in the log', () => said('leaves', 'left alone') && said('timer', 'in a timer'))
    await until('and the one in a listener', () => said('ghost', 'in a listener'))
    for (const [id, error] of [
      ['timer', 'in a timer'],
      ['exits', 'A handler may not end the process with process.exit(); throw an error instead.'],
      ['ghost', 'not done within 50 ms'],
    ]) {
      const letters = async () =>
        (await listed(running, `/v1/dead-letters?destination=${id}`)) as { lastError: string }[]
      await until(`the deliveries to ${id} failed`, async () => (await letters()).length === count)
      expect((await letters())[0]?.lastError).toBe(error)
    }
    expect(running.child.exitCode).toBeNull()
    expect(await running.end('SIGTERM')).toBe(0)
  })

  test('while its file is loaded is wrong usage that names the file', async () => {
    await calm()
    await writeFile(
      join(folder.path, 'handlers/early.ts'),
      `void Promise.reject(new Error('too early'))\nexport default { on: '*', run() {} }`,
    )
    await configure(folder.path, { connections: connectionsTo(sandbox) })
    const { code, stderr } = await command(folder.path, ['start'])
    expect(code).toBe(2)
    expect(stderr).toContain(
      `${join(folder.path, 'handlers/early.ts')} is not a handler: it cannot be loaded: too early`,
    )
  })
})

test('an error of our own that nobody catches ends the process, cleanly and not with 0', async () => {
  await calm()
  await writeFile(
    join(folder.path, 'orderwire.config.ts'),
    `import { defineConfig } from 'orderwire'
     import { existsSync } from 'node:fs'
     setInterval(() => { if (existsSync('trouble')) throw new Error('of nobody') }, 50)
     export default defineConfig({ connections: ${JSON.stringify(connectionsTo(sandbox))} })`,
  )
  program = await startProgram(folder.path)
  const count = sell(4)
  await until('the handler has everything', async () => (await calmLines()) === count)
  const { child } = program
  const ended = new Promise(resolve => child.once('close', resolve))
  await writeFile(join(folder.path, 'trouble'), '')
  expect(await ended).toBe(1)
  expect(program.output()).toContain('of nobody')
  expect(linesOf(program).map(({ msg }) => msg)).toContain('stopped')
})

test('a handler that computes for long is named in a warning and seen in the metrics; an isolated one delays nobody', async () => {
  const compute = 'const end = Date.now() + 1600; while (Date.now() < end);'
  await handler('slow', `run(event) { if (event.data.sequence === 1) { ${compute} } }`)
  await handler('apart', `isolate: true, run(event) { if (event.data.sequence === 1) { ${compute} } }`)
  await calm()
  await configure(folder.path, { connections: connectionsTo(sandbox) })
  program = await startProgram(folder.path)
  const running = program
  const count = sell(5)
  await until('the warning is there', () =>
    linesOf(running).some(
      ({ level, msg, handlers }) => level === 40 && /stood still/.test(msg) && handlers?.length === 1,
    ),
  )
  const warning = linesOf(running).find(({ msg }) => /stood still/.test(msg))
  expect(warning?.handlers).toEqual(['slow'])
  await until('the others have everything', async () => (await calmLines()) === count)
  const metrics = await (await fetch(`${running.url}/metrics`)).text()
  expect(Number(/^orderwire_event_loop_lag_seconds ([\d.]+)$/m.exec(metrics)?.[1])).toBeGreaterThan(1)
})

test('a changed file makes what waits for its handler due at the next start; the same file changes nothing', async () => {
  await handler('shy', `run() { throw new Error('not yet') }`)
  await configure(folder.path, { connections: connectionsTo(sandbox), delivery: { retries: ['1h'] } })
  program = await startProgram(folder.path)
  const first = program
  const count = sell(6)
  await until('it waits for its retry', async () => {
    const [shy] = await listed(first, '/v1/deliveries?destination=shy&status=waiting&limit=250').then(rows => [
      rows.length,
    ])
    return shy === count
  })
  await until('it was tried', async () =>
    (await listed(first, '/v1/deliveries?destination=shy&status=waiting&limit=250')).some(row => row.attempt === 1),
  )
  expect(await first.end('SIGTERM')).toBe(0)

  program = await startProgram(folder.path)
  const second = program
  await until('it says what it reads', async () => (await second.get('/readyz')).status === 200)
  expect(second.output()).not.toContain('changed')
  expect(await second.end('SIGTERM')).toBe(0)

  await handler('shy', `run(event) { appendFileSync('calm.log', event.id + '\\n') }`)
  program = await startProgram(folder.path)
  await until('all that waited is delivered', async () => (await calmLines()) === count)
  expect(linesOf(program).find(line => line.handler === 'shy')?.msg).toContain('changed')
})
