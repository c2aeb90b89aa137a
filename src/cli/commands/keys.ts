import { z } from 'zod'
import type { Command, CommandContext, Flags } from '../command.ts'
import { all, segment } from '../listing.ts'
import { withServer } from '../server.ts'
import { usage } from '../usage.ts'

export const keysCommand: Command = {
  name: 'keys',
  summary: 'manage API keys',
  commands: [
    {
      name: 'add',
      summary: 'make a key; it is shown once',
      args: '<name>',
      options: [{ flags: '--role <role>', text: 'read, write or admin' }],
      examples: ['keys add reports --role read'],
      action: run => withServer(run, context => addKey(context, run.args[0] ?? '', run.flags)),
    },
    { name: 'list', summary: 'all keys', examples: ['keys list'], action: run => withServer(run, listKeys) },
    {
      name: 'remove',
      summary: 'remove a key, by its id',
      args: '<id>',
      examples: ['keys remove 3f9a'],
      action: run => withServer(run, context => removeKey(context, run.args[0] ?? '')),
    },
  ],
}

const ApiKey = z.looseObject({ id: z.string(), name: z.string(), role: z.string(), lastUsedAt: z.string().nullable() })

export async function listKeys(context: CommandContext): Promise<void> {
  const { client, output } = context
  let any = false
  for await (const value of all(context, '/v1/keys')) {
    any = true
    const { id, name, role, lastUsedAt } = client.read(ApiKey, value)
    output.item(value, `${id}  ${role.padEnd(5)}  ${name}  ${lastUsedAt ? `last used ${lastUsedAt}` : 'never used'}`)
  }
  if (!any) output.note('No keys. Make one: orderwire keys add NAME --role read|write|admin', 'quiet')
}

export async function addKey({ client, output }: CommandContext, name: string, flags: Flags): Promise<void> {
  if (flags.role === undefined) throw usage('keys add: name the role with --role read|write|admin')
  const answer = await client.call('POST', '/v1/keys', { name, role: flags.role })
  const { id, role, key } = client.read(ApiKey.extend({ key: z.string() }), answer)
  output.item(answer, `${id} added with the role ${role}. The key, shown this once: ${key}`)
}

export async function removeKey({ client, output }: CommandContext, id: string): Promise<void> {
  await client.call('DELETE', `/v1/keys/${segment(id)}`)
  output.item({ id, removed: true }, `${id} removed; every process refuses it within a few seconds`)
}
