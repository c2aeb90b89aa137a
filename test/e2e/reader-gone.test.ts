import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configure, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const SANDBOX_PORT = 18_796
const ended: (() => unknown)[] = []
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
  await configure(folder.path, {})
})
afterEach(async () => {
  for (const end of ended.splice(0)) end()
  await folder.remove()
})

/** Starts the program with a pipe that is closed after the first line, as `| head -1` does. */
async function startUntilFirstLine(format: 'json' | 'pretty') {
  const child = spawn(process.execPath, [MAIN, 'start'], {
    cwd: folder.path,
    env: { ...process.env, ORDERWIRE_DATA: join(folder.path, 'data'), PORT: '0', LOG_FORMAT: format },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  ended.push(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  child.stdout.destroy()
  return { child, exited }
}

const serverFile = async (): Promise<{ url: string } | null> =>
  JSON.parse(await readFile(join(folder.path, 'data/server.json'), 'utf8').catch(() => 'null'))

describe('start whose standard output is read no more', () => {
  test.each(['json', 'pretty'] as const)(
    'works on without its %s log, and stops cleanly when asked to',
    async format => {
      const { child, exited } = await startUntilFirstLine(format)
      let url = ''
      await until('the server says where it is', async () => {
        url = (await serverFile())?.url ?? ''
        return url !== ''
      })
      // Each of these writes a line of the log, to nobody.
      for (let request = 0; request < 3; request++) {
        const response = await fetch(`${url}/v1/endpoints`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ url: 'http://10.0.0.1/hook' }),
        })
        expect(response.status).toBe(400)
      }
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
      expect([child.exitCode, child.signalCode]).toEqual([null, null])
      child.kill('SIGTERM')
      expect(await exited).toEqual([0, null])
      await expect(stat(join(folder.path, 'data/server.json'))).rejects.toThrow('ENOENT')
    },
  )

  test('and that cannot go on ends with 1 or 2, never with 0', async () => {
    const first = await startProgram(folder.path)
    ended.push(() => first.child.kill('SIGKILL'))
    const { exited } = await startUntilFirstLine('json')
    expect(await exited).toEqual([1, null])
  })
})

test('SIGHUP stops the server as cleanly as SIGTERM', async () => {
  const program = await startProgram(folder.path)
  ended.push(() => program.child.kill('SIGKILL'))
  expect(await program.end('SIGHUP')).toBe(0)
  expect(program.output()).toContain('"stopped"')
  await expect(stat(join(folder.path, 'data/server.json'))).rejects.toThrow('ENOENT')
})

test('a command whose output is read no more ends by itself, with 0', async () => {
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
  const program = await startProgram(folder.path)
  ended.push(() => program.child.kill('SIGKILL'))
  const child = spawn(process.execPath, [MAIN, 'events', '--follow'], {
    cwd: folder.path,
    env: { ...process.env, ORDERWIRE_DATA: join(folder.path, 'data'), LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  ended.push(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  child.stdout.destroy()
  expect(await exited).toEqual([0, null])
})
