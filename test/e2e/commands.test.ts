import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyWebhook } from '../../src/receiver/verify-webhook.ts'
import { command, configure, type Program, startProgram } from '../helpers/program.ts'
import { createReceiver } from '../helpers/receiver.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const SANDBOX_PORT = 18_812
const MAIN = join(import.meta.dirname, '../../src/main.ts')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let program: Program
const ends: (() => unknown)[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
  await configure(folder.path, {
    sandbox: { port: SANDBOX_PORT, speed: 20 },
    connections: [
      {
        id: 'kk',
        vendor: 'kakaclo',
        baseUrl: `http://127.0.0.1:${SANDBOX_PORT}/kakaclo/openapi`,
        token: 'sandbox-kakaclo-token',
        pollEvery: '200ms',
      },
    ],
  })
  program = await startProgram(folder.path, {}, [], { withinMs: 60_000 })
  ends.push(() => program.child.kill('SIGKILL'))
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await folder.remove()
})

const firstEvent = async () => {
  let found: { subject: string; id: string } | undefined
  await until('there is an event', async () => {
    found = ((await program.get('/v1/events?limit=1')).body as { data: { subject: string; id: string }[] }).data[0]
    return found !== undefined
  })
  if (!found) throw new Error('it is there')
  return found
}

describe('commands against a running server', () => {
  test('print JSON lines only on standard output with --json, and an error as one JSON object on standard error', async () => {
    const { subject } = await firstEvent()
    for (const args of [
      ['connections', 'list'],
      ['destinations', 'list'],
      ['orders', 'show', subject],
      ['events', '--last', '3'],
      ['deliveries', 'list', '--last', '3'],
      ['quarantine', 'list'],
    ]) {
      const { code, stdout, stderr } = await command(folder.path, [...args, '--json'])
      expect([args, code, stderr]).toEqual([args, 0, ''])
      for (const line of stdout.split('\n').filter(Boolean)) expect(JSON.parse(line)).toBeTypeOf('object')
    }
    for (const [args, code] of [
      [['orders', 'show', 'nothing'], 1],
      [['events', '--connection', 'nowhere'], 2],
      [['events', '--tpye', 'x'], 2],
    ] as const) {
      const ran = await command(folder.path, [...args, '--json'])
      expect([args, ran.code, ran.stdout]).toEqual([args, code, ''])
      expect(JSON.parse(ran.stderr)).toEqual({ error: { code: expect.any(String), message: expect.any(String) } })
    }
  })

  test('listen forwards events to a local receiver, signed, and reports the one it refuses without trying it again', async () => {
    const receiver = await createReceiver()
    ends.push(() => receiver.close())
    receiver.script.push({ status: 500, body: 'no\u001b[2J' })
    const child = spawn(process.execPath, [MAIN, 'listen', receiver.url, '--since', '1h', '--json'], {
      cwd: folder.path,
      env: { ...process.env, ORDERWIRE_DATA: join(folder.path, 'data') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    ends.push(() => child.kill('SIGKILL'))
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
    })
    const closed = new Promise<number | null>(resolve => child.once('close', resolve))
    await receiver.count(3, 60_000)
    const lines = () =>
      text
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line))
    await until('three answers are printed', () => lines().length >= 4)
    child.kill('SIGINT')
    expect(await closed).toBe(0)

    const [{ secret }, first, second] = lines()
    expect(first).toMatchObject({ type: 'answer', statusCode: 500, error: 'answered 500', response: 'no\u001b[2J' })
    expect(second).toMatchObject({ statusCode: 204, error: null })
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(ids.length)
    for (const { headers, body } of receiver.received) {
      expect((await verifyWebhook({ headers, body }, secret)).id).toBe(headers['webhook-id'])
    }
    expect(((await program.get('/v1/endpoints')).body as { data: unknown[] }).data).toEqual([])
  })
})
