import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { findServer } from '../../src/cli/client.ts'
import { type CommandContext, deadLetters, endpoints, events, keys, poll, replay } from '../../src/cli/commands.ts'
import { createOutput } from '../../src/cli/output.ts'
import { verify } from '../../src/cli/verify-command.ts'
import { readSettings } from '../../src/config/environment.ts'
import { AppError } from '../../src/lib/errors.ts'

/** ORDERWIRE_URL names another program: commands say so, whatever it answers. */

let server: Server | null = null
afterEach(async () => {
  await new Promise(resolve => (server ? server.close(resolve) : resolve(null)))
})

async function contextOf(status: number, type: string, body: string): Promise<CommandContext> {
  server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': type, connection: 'close' }).end(body)
  })
  await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = await findServer(readSettings({ ORDERWIRE_URL: `http://127.0.0.1:${port}` }))
  if (!client) throw new Error('it is named')
  return {
    client,
    output: createOutput(true, () => {}),
    signal: new AbortController().signal,
    progress: () => {},
    confirm: async () => true,
  }
}

const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<void>>> = {
  poll: context => poll(context, 'shop', {}),
  events: context => events(context, {}),
  'endpoints list': context => endpoints(context, ['list'], {}),
  'endpoints add': context => endpoints(context, ['add', 'https://hooks.example/in'], {}),
  'endpoints show': context => endpoints(context, ['show', 'e'], {}),
  'endpoints resume': context => endpoints(context, ['resume', 'e'], {}),
  'endpoints test': context => endpoints(context, ['test', 'e'], {}),
  'endpoints remove': context => endpoints(context, ['remove', 'e'], {}),
  replay: context => replay(context, { to: 'e' }),
  'dead-letters list': context => deadLetters(context, ['list'], {}),
  'dead-letters redrive': context => deadLetters(context, ['redrive'], { all: true }),
  'keys list': context => keys(context, ['list'], {}),
  'keys add': context => keys(context, ['add', 'reports'], { role: 'read' }),
  verify: context => verify(context, {}),
}

describe.each([
  { name: 'a page', status: 200, type: 'text/html', body: '<html></html>' },
  { name: 'other JSON', status: 200, type: 'application/json', body: '{"ok":true}' },
  { name: 'a list of other things', status: 200, type: 'application/json', body: '{"data":[{}],"next":null}' },
  { name: 'lines of other things', status: 200, type: 'application/jsonl', body: '{"a":1}\nno JSON\n' },
  { name: 'its own 404', status: 404, type: 'application/json', body: '{"detail":"Not Found"}' },
  { name: 'nothing', status: 500, type: '', body: '' },
])('a server that answers $name', ({ status, type, body }) => {
  test.each(Object.keys(COMMANDS))('is said to be no orderwire: %s', async name => {
    const context = await contextOf(status, type, body)
    const error = await COMMANDS[name]?.(context).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(AppError)
    const { code, message } = error as AppError
    expect([code, message]).toEqual(['cli.foreign', expect.stringContaining('is no orderwire')])
    expect(message).toContain('Set ORDERWIRE_URL')
    expect(message).toContain(context.client.target)
  })
})

test('a refusal of orderwire itself stays what it is', async () => {
  const problem = { type: 'urn:orderwire:problem:not-found', title: 'Not Found', status: 404, detail: 'There is no x.' }
  const context = await contextOf(404, 'application/problem+json', JSON.stringify(problem))
  await expect(poll(context, 'x', {})).rejects.toMatchObject({ code: 'cli.refused', message: 'There is no x.' })
})
