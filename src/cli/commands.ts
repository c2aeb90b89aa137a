import { z } from 'zod'
import { OrderEvent } from '../../schemas/order-event.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Client } from './client.ts'
import { eventLine, type Output } from './output.ts'
import { serverSentEvents } from './sse.ts'

/** The commands that read or change state, as calls of the HTTP API. */
export interface CommandContext {
  readonly client: Client
  readonly output: Output
  readonly signal: AbortSignal
  /** Progress of long work, for people watching; silent elsewhere. */
  progress(text: string): void
  /** Asks a person; true where nobody watches. */
  confirm(question: string): Promise<boolean>
}

type Listing = Pick<CommandContext, 'client' | 'signal'>

/** The values of the options given; a list where an option may repeat. */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

const PAGE = 250

const List = z.object({ data: z.array(z.unknown()), next: z.string().nullable() })

/** Query string of the flags that are set; repeated ones repeat. */
export function query(values: Readonly<Record<string, Flags[string] | number>>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== false) search.append(name, String(one))
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

/** All rows of a listing, page by page; ends early where nobody reads them any more. */
async function* all({ client, signal }: Listing, path: string, filter: Flags): AsyncGenerator<unknown> {
  for (let after: string | undefined; !signal.aborted; ) {
    const { data, next } = client.read(List, await client.call('GET', path + query({ ...filter, limit: PAGE, after })))
    yield* data
    if (next === null) return
    after = next
  }
}

const id = (text: string): string => encodeURIComponent(text)

// ── poll, events ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const PollAnswer = z.object({
  orders: z.number(),
  events: z.number(),
  quarantined: z.number(),
  data: z.array(OrderEvent),
})

export async function poll(
  { client, output, progress }: CommandContext,
  connection: string,
  flags: Flags,
): Promise<void> {
  progress(`polling ${connection} …`)
  const path = `/v1/connections/${id(connection)}/poll`
  const filter = { order: flags.order, user: flags.user, dryRun: flags['dry-run'] === true ? 'true' : undefined }
  const answer = client.read(PollAnswer, await client.call('POST', path + query(filter)))
  for (const event of answer.data) output.item(event, eventLine(event))
  if (output.json) return
  const stored = flags['dry-run'] === true ? ' (dry run: nothing was stored or published)' : ''
  const aside = answer.quarantined > 0 ? `, ${answer.quarantined} not wholly understood (see quarantine)` : ''
  output.line(`${answer.orders} orders read, ${answer.events} new events${aside}${stored}`)
}

export async function events(context: CommandContext, flags: Flags): Promise<void> {
  const { client, output, signal } = context
  const filter = {
    type: flags.type,
    connection: flags.connection,
    order: flags.order,
    since: flags.since,
    until: flags.until,
  }
  const print = (value: unknown): string => {
    const event = client.read(OrderEvent, value)
    output.item(value, eventLine(event))
    return event.id
  }
  let last: string | undefined
  for await (const event of all(context, '/v1/events', filter)) last = print(event)
  if (flags.follow !== true || signal.aborted) return
  const path = `/v1/events/stream${query({ ...filter, since: undefined, until: undefined, lastEventId: last })}`
  try {
    for await (const { data } of serverSentEvents(await client.open(path, signal))) print(JSON.parse(data))
  } catch (error) {
    // Ctrl-C is how following ends.
    if (signal.aborted) return
    if (error instanceof AppError) throw error
    throw new AppError(`${client.target} ended the stream (${messageOf(error)}); check that it runs, and try again.`, {
      code: 'cli.unreachable',
      intent: 'retry',
      cause: error,
    })
  }
}

// ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const Endpoint = z.looseObject({
  id: z.string(),
  url: z.string(),
  state: z.string(),
  types: z.array(z.string()).nullish(),
})
const CALLS = ['pause', 'resume', 'rotate-secret', 'test'] as const
const Created = z.looseObject({ id: z.string(), secret: z.string() })
const Standing = z.looseObject({ health: z.looseObject({ backlog: z.number(), deadLetters: z.number() }) })

export async function endpoints(
  context: CommandContext,
  [action, target]: readonly string[],
  flags: Flags,
): Promise<void> {
  const { client, output } = context
  const show = (value: unknown) => {
    const endpoint = client.read(Endpoint, value)
    output.item(
      value,
      `${endpoint.id}  ${endpoint.state}  ${endpoint.url}  ${endpoint.types?.join(',') ?? 'all types'}`,
    )
  }
  if (action === 'list') {
    for await (const endpoint of all(context, '/v1/endpoints', {})) show(endpoint)
    return
  }
  if (target === undefined) throw usage(`endpoints ${action}: name the ${action === 'add' ? 'URL' : 'endpoint'}`)
  const path = `/v1/endpoints/${id(target)}`
  if (action === 'add') {
    const body = {
      url: target,
      id: flags.id,
      types: flags.type,
      connections: flags.connection,
      filter: typeof flags.filter === 'string' ? parsedFilter(flags.filter) : undefined,
      headers: Array.isArray(flags.header) ? Object.fromEntries(flags.header.map(parsedHeader)) : undefined,
      description: flags.description,
      replaySince: flags['replay-since'],
    }
    const created = client.read(Created, await client.call('POST', '/v1/endpoints', body))
    output.item(created, `${created.id} added. Its secret, shown this once: ${created.secret}`)
  } else if (action === 'show') {
    const answer = await client.call('GET', path)
    client.read(Endpoint, answer)
    output.whole(answer)
  } else if (action === 'remove') {
    const { backlog, deadLetters } = client.read(Standing, await client.call('GET', path)).health
    const what = `${backlog} waiting events and ${deadLetters} dead letters`
    if (flags.yes !== true && !(await context.confirm(`Remove ${target}, with ${what}?`)))
      throw new AppError(`${target} stays.`, { code: 'cli.refused', intent: 'fix' })
    await client.call('DELETE', path)
    output.item({ id: target, removed: true }, `${target} removed, with ${what}`)
  } else {
    const known = CALLS.find(name => name === action)
    if (!known) return
    const ofDestination = known === 'pause' || known === 'resume'
    const answer = await client.call('POST', `${ofDestination ? `/v1/destinations/${id(target)}` : path}/${known}`)
    const [first = '', ...more] = said(client, known, target, answer)
    output.item(answer, first)
    if (!output.json) for (const line of more) output.line(line)
    if (known === 'test' && client.read(Tested, answer).error !== null) {
      throw new AppError(`${target} did not take the test event.`, { code: 'cli.refused', intent: 'retry' })
    }
  }
}

const Tested = z.looseObject({ statusCode: z.number().nullable(), ms: z.number(), error: z.string().nullable() })
const Rotated = z.looseObject({ secret: z.string(), previousValidUntil: z.string().nullable() })
const Resumed = z.looseObject({ waiting: z.number() })

function parsedFilter(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usage(`endpoints add: --filter takes JSON such as '{"data.order.currency":["EUR"]}'`)
  }
}

/** `name: value`; what is wrong with it is not quoted, as the value may be a secret. */
function parsedHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw usage('endpoints add: --header takes "name: value"')
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}

function said({ read }: Client, action: (typeof CALLS)[number], id: string, answer: unknown): readonly string[] {
  if (action === 'rotate-secret') {
    const { secret, previousValidUntil } = read(Rotated, answer)
    const former =
      previousValidUntil === null
        ? 'The former one cannot be decrypted, and signs no more.'
        : `The former one signs along until ${previousValidUntil}.`
    return [`${id} signs with a new secret, shown this once: ${secret}`, former]
  }
  if (action === 'test') {
    const { statusCode, ms, error } = read(Tested, answer)
    return [`${id} answered ${statusCode ?? 'nothing'} in ${ms} ms${error === null ? '' : `: ${error}`}`]
  }
  if (action === 'pause') return [`${id} is paused; its events wait`]
  return [`${id} goes on with all that waited: ${read(Resumed, answer).waiting} events`]
}

// ── replay, dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────

const Queued = z.object({ queued: z.number() })

export async function replay({ client, output, progress }: CommandContext, flags: Flags): Promise<void> {
  const { to, event, since, until, type, order } = flags
  if (typeof to !== 'string') throw usage('replay: name the destination with --to')
  if (typeof event === 'string') {
    if ([since, until, type, order].some(flag => flag !== undefined))
      throw usage('replay: --event is one event; leave --since, --until, --type and --order away')
    const answer = client.read(Queued, await client.call('POST', `/v1/events/${id(event)}/resend`, { destination: to }))
    return output.item(answer, `${event} queued for ${to}`)
  }
  progress(`queuing events for ${to} …`)
  const answer = await client.call('POST', `/v1/destinations/${id(to)}/replay`, { since, until, types: type, order })
  const { queued } = client.read(Queued, answer)
  output.item({ queued }, `${queued} events queued for ${to}, in order`)
}

const DeadLetter = z.looseObject({
  id: z.string(),
  destination: z.string(),
  at: z.string(),
  attempts: z.number(),
  lastError: z.string().nullable(),
  event: OrderEvent,
})

export async function deadLetters(
  context: CommandContext,
  [action, ...ids]: readonly string[],
  flags: Flags,
): Promise<void> {
  const { client, output } = context
  if (action === 'list') {
    for await (const value of all(context, '/v1/dead-letters', { destination: flags.to })) {
      const letter = client.read(DeadLetter, value)
      output.item(
        value,
        `${letter.id}  ${letter.destination}  ${eventLine(letter.event)}  after ${letter.attempts}: ${letter.lastError}`,
      )
    }
    return
  }
  if (ids.length === 0 && flags.to === undefined && flags.all !== true)
    throw usage('dead-letters redrive: name ids, or --to DESTINATION, or --all')
  let queued = 0
  for (const letter of ids)
    queued += client.read(Queued, await client.call('POST', `/v1/dead-letters/${id(letter)}/redrive`)).queued
  if (ids.length === 0)
    queued = client.read(
      Queued,
      await client.call('POST', '/v1/dead-letters/redrive', { destination: flags.to }),
    ).queued
  output.item({ queued }, `${queued} queued again, in order`)
}

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const ApiKey = z.looseObject({ id: z.string(), name: z.string(), role: z.string(), lastUsedAt: z.string().nullable() })

export async function keys(context: CommandContext, [action, target]: readonly string[], flags: Flags): Promise<void> {
  const { client, output } = context
  if (action === 'list') {
    for await (const value of all(context, '/v1/keys', {})) {
      const { id, name, role, lastUsedAt } = client.read(ApiKey, value)
      output.item(value, `${id}  ${role.padEnd(5)}  ${name}  ${lastUsedAt ? `last used ${lastUsedAt}` : 'never used'}`)
    }
  } else if (action === 'add') {
    if (target === undefined || flags.role === undefined)
      throw usage('keys add: give a name and --role read|write|admin')
    const answer = await client.call('POST', '/v1/keys', { name: target, role: flags.role })
    const { id, role, key } = client.read(ApiKey.extend({ key: z.string() }), answer)
    output.item(answer, `${id} added with the role ${role}. The key, shown this once: ${key}`)
  } else {
    if (target === undefined) throw usage('keys remove: name the id, as `keys list` shows it')
    await client.call('DELETE', `/v1/keys/${id(target)}`)
    output.item({ id: target, removed: true }, `${target} removed; it is refused everywhere within a few seconds`)
  }
}

/** What commands that have subcommands do. */
export const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  endpoints: ['add', 'list', 'show', 'remove', ...CALLS],
  'dead-letters': ['list', 'redrive'],
  keys: ['add', 'list', 'remove'],
}

export const usage = (message: string): AppError => new AppError(message, { code: 'cli.usage', intent: 'fix' })
