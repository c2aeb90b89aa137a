import { afterEach, beforeEach } from 'vitest'
import { createClient } from '../../src/cli/client.ts'
import type { CommandContext } from '../../src/cli/command.ts'
import { createOutput } from '../../src/cli/output.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { env, type Harness, NOW, openHarness } from '../api/harness.ts'

/** The commands, on the API of a store of their own. */

export let api: Harness
/** Answers instead of the API, by method and path. */
export let answers: Map<string, unknown>
export let asked: { method: string; path: string; body: unknown }[]

/** Call it once in a test file. */
export function newApiForEachTest(): void {
  beforeEach(async () => {
    api = await openHarness()
    answers = new Map()
    asked = []
  })
  afterEach(() => api.close())
}

export type Run = (context: CommandContext) => Promise<void>

/** What a command prints, and how it ends. */
export async function outcome(json: boolean, run: Run, own: Partial<CommandContext> = {}) {
  let text = ''
  const client = createClient({
    target: 'the harness',
    fetch: async (path, init) => {
      const method = init.method ?? 'GET'
      asked.push({ method, path, body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined })
      const answer = answers.get(`${method} ${path.split('?')[0]}`)
      return answer === undefined ? api.app.request(path, init, env()) : Response.json(answer)
    },
  })
  const context: CommandContext = {
    client,
    output: createOutput(json, {
      write: more => {
        text += more
      },
    }),
    signal: new AbortController().signal,
    progress: () => {},
    confirm: async () => true,
    ...own,
  }
  const error = await run(context).then(
    () => null,
    (error: Error) => error.message,
  )
  return { text, error }
}

export const printed = async (run: Run) => (await outcome(false, run)).text
export const failure = async (run: Run) => (await outcome(false, run)).error
export const jsonLines = async (run: Run) =>
  (await outcome(true, run)).text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

/** The first event is given up for this destination, after one attempt. */
export async function giveUp(destination: string, seeded: readonly EventRecord[]): Promise<EventRecord> {
  const [event] = seeded
  if (!event) throw new Error('no event was seeded')
  const { id: eventId, orderKey } = event
  await api.store.lanes.spill([{ destination, event, origin: 'live' }], { nextAt: NOW, attempt: 1 })
  const attempt = { attempt: 1, at: NOW, outcome: 'dead', origin: 'live', statusCode: 500, ms: 20 } as const
  const told = { error: 'it answered 500', response: 'column "sku" too short \u001b[2J' }
  await api.store.deliveries.record([{ destination, eventId, orderKey, ...attempt, ...told }])
  const letter = { destination, orderKey, eventId, at: NOW, attempts: 1, lastError: told.error, hold: false }
  await api.store.lanes.deadLetter(letter)
  return event
}
