import { z } from 'zod'
import { type EventType, OrderEvent } from '../../schemas/order-event.ts'
import { type Html, html, table } from './markup.ts'

/** Members of an event as the schema describes them. */
interface Member {
  readonly path: string
  readonly kind: string
  readonly description: string
}

interface JsonNode {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonNode>>
  readonly items?: JsonNode
  readonly anyOf?: readonly JsonNode[]
}

const schemas = new Map<EventType, JsonNode>(
  OrderEvent.options.map(option => [option.shape.type.value, z.toJSONSchema(option, { io: 'output' }) as JsonNode]),
)

function membersOf(node: JsonNode, path: string): Member[] {
  const own = node.anyOf?.find(one => one.type !== 'null') ?? node
  const nullable = node.anyOf?.some(one => one.type === 'null') ?? false
  const item = own.type === 'array' ? own.items : own
  const kind = `${own.const !== undefined ? JSON.stringify(own.const) : own.enum ? own.enum.join(' | ') : own.type === 'array' ? `list of ${item?.type ?? 'values'}` : (own.type ?? '')}${nullable ? ' or null' : ''}`
  const here = path === '' ? [] : [{ path, kind, description: node.description ?? own.description ?? '' }]
  const below = Object.entries(item?.properties ?? {}).flatMap(([name, member]) =>
    membersOf(member, path === '' ? name : `${path}${own.type === 'array' ? '[]' : ''}.${name}`),
  )
  return [...here, ...below]
}

/** Every member of an event type: what it is, and when it is null. */
export function membersTable(type: EventType): Html {
  const members = membersOf(schemas.get(type) ?? {}, '')
  return table(
    `Members of ${type}`,
    [{ name: 'Member' }, { name: 'Value' }, { name: 'Meaning' }],
    members.map(({ path, kind, description }) => [html`<code>${path}</code>`, html`<code>${kind}</code>`, description]),
  )
}
