import { z } from 'zod'

/** The part of JSON Schema that the event's schemas use. */
const Node = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.string().optional(),
  enum: z.array(z.string()).optional(),
  description: z.string().optional(),
  required: z.array(z.string()).optional(),
  get anyOf() {
    return z.array(Node).optional()
  },
  get properties() {
    return z.record(z.string(), Node).optional()
  },
  get items() {
    return Node.optional()
  },
})
type Node = z.infer<typeof Node>

/**
 * The members of a schema as a Markdown table: one row each, with its type and its description. Members of members follow theirs:
 * `lines[].id` is the id of each of the lines. `but`: members to leave out, with all in them.
 */
export function memberTable(schema: z.ZodType, { but = [] }: { but?: readonly string[] } = {}): string {
  const rows: string[] = []
  const walk = (node: Node, prefix: string): void => {
    for (const [name, member] of Object.entries(node.properties ?? {})) {
      if (but.includes(name)) continue
      const given = member.anyOf?.find(({ type }) => type !== 'null') ?? member
      const isNullable = given !== member || (Array.isArray(member.type) && member.type.includes('null'))
      const isOptional = !node.required?.includes(name)
      const kinds = [kindOf(given), ...(isNullable ? ['null'] : []), ...(isOptional ? ['absent'] : [])]
      rows.push(`| \`${prefix}${name}\` | ${kinds.join(' or ')} | ${member.description ?? given.description ?? ''} |`)
      if (given.properties) walk(given, `${prefix}${name}.`)
      if (given.items) walk(given.items, `${prefix}${name}[].`)
    }
  }
  walk(Node.parse(z.toJSONSchema(schema)), '')
  return ['| member | type | meaning |', '|---|---|---|', ...rows].join('\n')
}

function kindOf({ type = 'any', const: only, enum: values, items }: Node): string {
  if (only !== undefined) return `\`${only}\``
  if (values) return values.map(value => `\`${value}\``).join(', ')
  if (items) return 'list'
  return Array.isArray(type) ? type.filter(name => name !== 'null').join(' or ') : type
}
