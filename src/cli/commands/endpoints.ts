import { z } from 'zod'
import type { Command, CommandContext, CommandOption, Flags, Invocation } from '../command.ts'
import { all, segment } from '../listing.ts'
import { CONNECTIONS, instantOption, repeatedOption, TYPES } from '../options.ts'
import { short } from '../output.ts'
import { withServer } from '../server.ts'
import { failed, usage } from '../usage.ts'
import { pauseDestination, resumeDestination } from './destinations.ts'

const SETTINGS: readonly CommandOption[] = [
  TYPES,
  CONNECTIONS,
  { flags: '--filter <json>', text: 'only events that match' },
  repeatedOption('--header <name: value>', 'a header of its own'),
  { flags: '--description <text>', text: 'for people' },
]

/** A subcommand that takes one endpoint. */
const one = (
  name: string,
  summary: string,
  run: (context: CommandContext, id: string, flags: Flags) => Promise<void>,
  { options = [], example = '' }: { options?: readonly CommandOption[]; example?: string } = {},
): Command => ({
  name,
  summary,
  args: '<id>',
  options,
  examples: [`endpoints ${name} billing${example}`],
  action: (invocation: Invocation) =>
    withServer(invocation, context => run(context, invocation.args[0] ?? '', invocation.flags)),
})

export const endpointsCommand: Command = {
  name: 'endpoints',
  summary: 'manage webhook endpoints',
  commands: [
    {
      name: 'add',
      summary: 'add an endpoint; its secret is printed once',
      args: '<url>',
      options: [
        { flags: '--id <id>', text: 'default: generated' },
        ...SETTINGS,
        instantOption('--replay-since <when>', 'deliver the past events since then first'),
      ],
      examples: [
        'endpoints add https://billing.example.com/hooks --id billing --type order.paid',
        'endpoints add https://new.example.com/hooks --replay-since 2026-03-01',
      ],
      action: run => withServer(run, context => addEndpoint(context, run.args[0] ?? '', run.flags)),
    },
    {
      name: 'list',
      summary: 'all endpoints',
      examples: ['endpoints list'],
      action: run => withServer(run, listEndpoints),
    },
    one('show', 'one endpoint and its health, as JSON', showEndpoint),
    one('update', 'change an endpoint; what is not named stays, an empty value clears', updateEndpoint, {
      options: [{ flags: '--url <url>', text: 'where deliveries go' }, ...SETTINGS],
      example: ' --url https://billing.example.com/v2 --type order.paid',
    }),
    one('pause', 'hold back its deliveries; its events wait', pauseDestination),
    one('resume', 'deliver everything that waited, in order', resumeDestination),
    one('remove', 'remove an endpoint and what waits for it', removeEndpoint, {
      options: [{ flags: '--yes', text: 'do not ask' }],
    }),
    one('rotate-secret', 'make a new secret; the former one signs along for 24 hours', rotateSecret),
    one('test', 'send a test event', testEndpoint, {
      options: [
        { flags: '--type <type>', text: 'send a sample of this event type' },
        { flags: '--show', text: "print the receiver's answer" },
      ],
      example: ' --type order.paid --show',
    }),
  ],
}

const Endpoint = z.looseObject({
  id: z.string(),
  url: z.string(),
  state: z.string(),
  types: z.array(z.string()).nullish(),
})
const Created = z.looseObject({ id: z.string(), secret: z.string() })
const Standing = z.looseObject({ health: z.looseObject({ backlog: z.number(), deadLetters: z.number() }) })
const Rotated = z.looseObject({ secret: z.string(), previousValidUntil: z.string().nullable() })
const Tested = z.looseObject({
  statusCode: z.number().nullable(),
  ms: z.number(),
  error: z.string().nullable(),
  response: z.string().nullish(),
})

const pathOf = (id: string): string => `/v1/endpoints/${segment(id)}`
const lineOf = ({ id, state, url, types }: z.infer<typeof Endpoint>): string =>
  `${id}  ${state}  ${url}  ${types?.join(',') ?? 'all types'}`

export async function listEndpoints(context: CommandContext): Promise<void> {
  const { client, output } = context
  let any = false
  for await (const value of all(context, '/v1/endpoints')) {
    any = true
    output.item(value, lineOf(client.read(Endpoint, value)))
  }
  if (!any) output.note('No endpoints. Add one: orderwire endpoints add URL', 'quiet')
}

export async function addEndpoint({ client, output }: CommandContext, url: string, flags: Flags): Promise<void> {
  const body = { url, id: flags.id, ...settingsOf('endpoints add', flags), replaySince: flags.replaySince }
  const created = client.read(Created, await client.call('POST', '/v1/endpoints', body))
  output.item(created, `${created.id} added. Its secret, shown this once: ${created.secret}`)
}

export async function updateEndpoint({ client, output }: CommandContext, id: string, flags: Flags): Promise<void> {
  const body = { url: flags.url, ...settingsOf('endpoints update', flags) }
  if (Object.values(body).every(value => value === undefined))
    throw usage('endpoints update: name what to change: --url, --type, --connection, --filter, --header, --description')
  const answer = await client.call('PATCH', pathOf(id), body)
  output.item(answer, lineOf(client.read(Endpoint, answer)))
}

/** An empty value clears a setting: `--type ""` is all types. */
function settingsOf(command: string, { type, connection, filter, header, description }: Flags) {
  const list = (values: Flags[string]) => (Array.isArray(values) && values.every(one => one === '') ? null : values)
  const headers = list(header)
  return {
    types: list(type),
    connections: list(connection),
    filter: filter === '' ? null : typeof filter === 'string' ? parsedFilter(command, filter) : undefined,
    headers: Array.isArray(headers) ? Object.fromEntries(headers.map(text => parsedHeader(command, text))) : headers,
    description: description === '' ? null : description,
  }
}

function parsedFilter(command: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usage(`${command}: --filter takes JSON such as '{"data.order.currency":["EUR"]}'`)
  }
}

/** `name: value`. A wrong one is not quoted in the message, as the value may be a secret. */
function parsedHeader(command: string, text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw usage(`${command}: --header takes "name: value"`)
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}

export async function showEndpoint({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('GET', pathOf(id))
  client.read(Endpoint, answer)
  output.whole(answer)
}

export async function removeEndpoint(context: CommandContext, id: string, flags: Flags): Promise<void> {
  const { client, output } = context
  const { backlog, deadLetters } = client.read(Standing, await client.call('GET', pathOf(id))).health
  const what = `${backlog} waiting events and ${deadLetters} dead letters`
  if (flags.yes !== true && !(await context.confirm(`Remove ${id}, with ${what}?`)))
    throw failed(`${id} was not removed.`)
  await client.call('DELETE', pathOf(id))
  output.item({ id, removed: true }, `${id} removed, with ${what}`)
}

export async function rotateSecret({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('POST', `${pathOf(id)}/rotate-secret`)
  const { secret, previousValidUntil } = client.read(Rotated, answer)
  output.item(answer, `${id} signs with a new secret, shown this once: ${secret}`)
  output.note(
    previousValidUntil === null
      ? 'The former one cannot be decrypted, and signs no more.'
      : `The former one signs along until ${previousValidUntil}.`,
  )
}

export async function testEndpoint({ client, output }: CommandContext, id: string, flags: Flags): Promise<void> {
  const body = flags.type === undefined ? undefined : { type: flags.type }
  const answer = await client.call('POST', `${pathOf(id)}/test`, body)
  const { statusCode, ms, error, response } = client.read(Tested, answer)
  output.item(
    answer,
    `${id} answered ${statusCode ?? 'nothing'} in ${ms} ms${error === null ? '' : `: ${short(error)}`}`,
  )
  if (flags.show === true) output.note(response ? `  ${short(response)}` : '  The answer has no body.')
  if (error !== null) throw failed(`${id} did not take the test event.`)
}
