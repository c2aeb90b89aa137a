import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { findServer } from '../../src/cli/client.ts'
import type { CommandContext } from '../../src/cli/command.ts'
import { listConnections, showConnection } from '../../src/cli/commands/connections.ts'
import {
  discardDeadLetters,
  listDeadLetters,
  redriveDeadLetters,
  showDeadLetter,
} from '../../src/cli/commands/dead-letters.ts'
import { listDeliveries, showDelivery } from '../../src/cli/commands/deliveries.ts'
import { listDestinations, resumeDestination, retryDestination } from '../../src/cli/commands/destinations.ts'
import {
  addEndpoint,
  listEndpoints,
  removeEndpoint,
  showEndpoint,
  testEndpoint,
  updateEndpoint,
} from '../../src/cli/commands/endpoints.ts'
import { events } from '../../src/cli/commands/events.ts'
import { addKey, listKeys } from '../../src/cli/commands/keys.ts'
import { listen } from '../../src/cli/commands/listen.ts'
import { showOrder } from '../../src/cli/commands/orders.ts'
import { poll } from '../../src/cli/commands/poll.ts'
import { listQuarantine, retryQuarantine } from '../../src/cli/commands/quarantine.ts'
import { replay } from '../../src/cli/commands/replay.ts'
import { status } from '../../src/cli/commands/status.ts'
import { verify } from '../../src/cli/commands/verify.ts'
import { createOutput } from '../../src/cli/output.ts'
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
    output: createOutput(true, { write: () => {} }),
    signal: new AbortController().signal,
    progress: () => {},
    confirm: async () => true,
  }
}

const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<void>>> = {
  poll: context => poll(context, 'shop', {}),
  events: context => events(context, {}),
  'events --follow': context => events(context, { last: 5, follow: true }),
  status: context => status(context),
  'connections list': context => listConnections(context),
  'connections show': context => showConnection(context, 'shop'),
  'orders show': context => showOrder(context, '1005', {}),
  listen: context => listen(context, 'http://127.0.0.1:9/', {}),
  'destinations list': context => listDestinations(context),
  'destinations retry': context => retryDestination(context, 'e'),
  'deliveries list': context => listDeliveries(context, {}),
  'deliveries show': context => showDelivery(context, 'evt_1:e'),
  'quarantine list': context => listQuarantine(context, {}),
  'quarantine retry': context => retryQuarantine(context, '1'),
  'endpoints list': context => listEndpoints(context),
  'endpoints add': context => addEndpoint(context, 'https://hooks.example/in', {}),
  'endpoints show': context => showEndpoint(context, 'e'),
  'endpoints update': context => updateEndpoint(context, 'e', { description: 'x' }),
  'endpoints resume': context => resumeDestination(context, 'e'),
  'endpoints test': context => testEndpoint(context, 'e', {}),
  'endpoints remove': context => removeEndpoint(context, 'e', {}),
  replay: context => replay(context, { to: 'e' }),
  'replay --dry-run': context => replay(context, { to: 'e', dryRun: true }),
  'dead-letters list': context => listDeadLetters(context, {}),
  'dead-letters show': context => showDeadLetter(context, '1'),
  'dead-letters redrive': context => redriveDeadLetters(context, [], { all: true }),
  'dead-letters discard': context => discardDeadLetters(context, ['1'], { reason: 'x' }),
  'keys list': context => listKeys(context),
  'keys add': context => addKey(context, 'reports', { role: 'read' }),
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
  await expect(poll(context, 'x', {})).rejects.toMatchObject({ code: 'cli.not_found', message: 'There is no x.' })
})
