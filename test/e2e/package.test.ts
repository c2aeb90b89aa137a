import { execFile, spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { samplesIn } from '../helpers/samples.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** The packed package, installed into an empty folder, as a shop's developer has it. */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const modules = join(root, 'node_modules')
let tarball: string
/** Where the package is installed once, for all who leave it as it is. */
let installed: string

const removals: (() => Promise<void>)[] = []
async function newFolder(): Promise<string> {
  const { path, remove } = await temporaryFolder()
  removals.push(remove)
  return path
}
afterAll(() => Promise.all(removals.map(remove => remove())))

beforeAll(async () => {
  const folder = await newFolder()
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: root })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[')))
  tarball = join(folder, packed.filename)
  expect(packed.size).toBeLessThan(1_000_000)
  const paths: string[] = packed.files.map(({ path }: { path: string }) => path)
  expect(paths.filter(path => /^(test|src|node_modules)\/|\.test\./.test(path))).toEqual([])
  installed = await newFolder()
  await install(installed)
})

/** What `npm install TARBALL` leaves: the package unpacked, and its dependencies beside it (linked, so that no registry is asked). */
async function install(folder: string): Promise<void> {
  const target = join(folder, 'node_modules/orderwire')
  await rm(target, { recursive: true, force: true })
  await mkdir(target, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  for (const name of await readdir(modules)) {
    if (name.startsWith('.') || name === 'orderwire') continue
    await symlink(join(modules, name), join(folder, 'node_modules', name)).catch(() => {})
  }
}

/** A folder of its own with the package that all share. */
async function withPackage(): Promise<string> {
  const folder = await newFolder()
  await symlink(join(installed, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** What the compiler complains of; '' if nothing. */
async function compiled(folder: string, files: readonly string[]): Promise<string> {
  const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  const args = [...strict, '--allowImportingTsExtensions', ...files]
  const { stdout } = await run(join(modules, '.bin/tsc'), args, { cwd: folder }).catch(error => error)
  return stdout
}

const main = (folder: string) => join(folder, 'node_modules/orderwire/dist/src/main.js')
const environment = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', LOG_FORMAT: 'json' }
const orderwire = (folder: string, ...args: string[]) =>
  run(process.execPath, [main(folder), ...args], { cwd: folder, env: environment })

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of running.splice(0)) await end()
})

function start(folder: string) {
  const child = spawn(process.execPath, [main(folder), 'start'], { cwd: folder, env: environment })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const closed = new Promise<number | null>(resolve => child.once('close', resolve))
  const end = () => {
    child.kill('SIGTERM')
    return closed
  }
  running.push(end)
  return { output: () => output, end }
}

describe('the package in an empty folder', () => {
  test('starts with what `orderwire init --yes` wrote, runs handlers in TypeScript, and keeps everything when it is upgraded', async () => {
    const folder = await newFolder()
    await install(folder)
    await orderwire(folder, 'init', '--yes')
    await writeFile(
      join(folder, 'handlers/own.ts'),
      `import { defineHandler, GiveUp } from 'orderwire'
export default defineHandler({
  on: ['order.paid'],
  run(event, { log }) {
    const amount: string | null = event.data.payment.amount
    log.info('own handler', { amount })
    throw new GiveUp('not mine')
  },
})
`,
    )
    const first = start(folder)
    await until('the generated handler logs an event', () => /"handler":"log-events"/.test(first.output()))
    await until('the own handler gives up', () => /delivery given up/.test(first.output()))
    expect(await first.end()).toBe(0)

    const before = (await orderwire(folder, 'events', '--json')).stdout.trim().split('\n')
    await install(folder)
    const second = start(folder)
    await until('the upgraded program starts', () => second.output().includes('API at'))
    await second.end()
    const after = (await orderwire(folder, 'events', '--json')).stdout.trim().split('\n')
    expect(after.slice(0, before.length)).toEqual(before)
  })

  test('gives handlers and subscribers types that refuse a member of another event', async () => {
    const folder = await withPackage()
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    // The types alone, as `orderwire schemas` writes them.
    await orderwire(folder, 'schemas', '--out', '.')
    await writeFile(
      join(folder, 'use.ts'),
      `import { defineConfig, defineHandler } from 'orderwire'
import { OrderEvent, type EventOf } from 'orderwire/events'
import type { OrderEvent as Plain, EventOf as PlainOf } from './order-event-1.js'
import { createInbox, createMemoryStore, verifyWebhook } from 'orderwire/receiver'

export const handler = defineHandler({
  on: ['order.paid'],
  run(event) {
    const amount: string | null = event.data.payment.amount
    // @ts-expect-error: a payment has no shipment
    return void [amount, event.data.shipment]
  },
})
export const paid = (event: EventOf<'order.paid'>) => event.data.payment.amount
export const parsed = OrderEvent.safeParse({})
export const inbox = createInbox({ store: createMemoryStore() })
export async function receive(request: Request) {
  const event = await verifyWebhook(request, 'whsec_')
  if (event.type === 'order.refunded') return event.data.refund.amount
  return null
}
export const plain = (event: OrderEvent): Plain => event
export const plainAmount = (event: Plain) => (event.type === 'order.paid' ? event.data.payment.amount : null)
export const line = (event: Plain): number | null => event.data.order.lines[0]?.quantity ?? null
// @ts-expect-error: a payment has no shipment
export const plainShipment = (event: PlainOf<'order.paid'>) => event.data.shipment
// @ts-expect-error: no such option
export const config = defineConfig({ connections: [], handler: 'x' })
`,
    )
    expect(await compiled(folder, ['use.ts'])).toBe('')
  })
})

describe('a source of a further vendor in a folder of its own', () => {
  const samples = samplesIn('docs/write-a-source.md')

  test('passes the suite of `orderwire/testing`, with webhooks and a buyer, run by `node --test`', async () => {
    const folder = await withPackage()
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    for (const [name, code] of await samples) await writeFile(join(folder, name), code)
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'acme.test.ts'], {
      cwd: folder,
    }).catch(error => error)
    expect(stdout).toMatch(/^# fail 0$/m)
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(20)
    expect(stdout).toContain('takes a webhook that the vendor signed')
    // The suite finds what is wrong with it.
    const forgetful =
      (await samples).get('acme.ts')?.replace('query: { buyer: userId }, accept: [404]', 'query: { buyer: userId }') ??
      ''
    await writeFile(join(folder, 'acme.ts'), forgetful)
    const broken = await run(process.execPath, ['--test', '--test-reporter=tap', 'acme.test.ts'], {
      cwd: folder,
    }).catch(error => error)
    expect(broken.stdout).toMatch(/^not ok \d+ - a source of acme finds no order that the vendor does not know/m)
  })

  test('compiles under strict options', async () => {
    const folder = await withPackage()
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    for (const [name, code] of await samples) await writeFile(join(folder, name), code)
    expect(await compiled(folder, [...(await samples).keys()])).toBe('')
  })
})

describe('orderwire init', () => {
  test('writes secrets to .env only, readable by their owner, and keeps files that are there', async () => {
    const folder = await withPackage()
    await writeFile(join(folder, '.gitignore'), 'mine\n')
    const args = ['--vendor', 'kakaclo', '--set', 'token=s3cret-token', '--set', 'baseUrl=http://127.0.0.1:9/openapi']
    const { stdout, stderr } = await orderwire(folder, 'init', '--yes', ...args).catch(error => error)
    expect(stdout).toContain('kept   .gitignore')
    expect(stdout).toMatch(/FAILED {2}connection kakaclo/)
    const files = await readdir(folder)
    expect(files).toEqual(
      expect.arrayContaining(['.env', '.env.example', 'handlers', 'orderwire.config.ts', 'package.json']),
    )
    const holding: string[] = []
    for (const name of files)
      if ((await stat(join(folder, name))).isFile()) {
        const { stdout: text } = await run('cat', [join(folder, name)])
        if (text.includes('s3cret-token')) holding.push(name)
      }
    expect(holding).toEqual(['.env'])
    expect((await stat(join(folder, '.env'))).mode & 0o077).toBe(0)
    expect(stdout + stderr).not.toContain('s3cret-token')
  })
})
