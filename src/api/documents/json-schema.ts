import { z } from 'zod'

export type JsonSchema = Record<string, unknown>

/**
 * Converts the zod schemas of one document to JSON Schema. Named schemas (`meta({ id })`) are collected once and referred to. Shapes are
 * those of the wire, before any conversion.
 */
export function createSchemaCollector({
  target,
  refPrefix,
}: {
  target: 'draft-2020-12' | 'draft-07'
  /** The prefix of references to named schemas, e.g. `#/components/schemas/`. */
  refPrefix: string
}) {
  const named = new Map<string, JsonSchema>()

  function rewrite(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(rewrite)
    if (typeof value !== 'object' || value === null) return value
    // For times the format is enough; the pattern would only repeat it.
    const timed = 'format' in value && /^date(-time)?$/.test(String(value.format))
    const members = Object.entries(value).filter(([key]) => !(timed && key === 'pattern'))
    const entries = members.map(([key, member]) =>
      key === '$ref' && typeof member === 'string'
        ? [key, member.replace(/^#\/(\$defs|definitions)\//, refPrefix)]
        : [key, rewrite(member)],
    )
    return Object.fromEntries(entries)
  }

  return {
    /** The schema, or a reference to it if it has a name. */
    schema(schema: z.ZodType): JsonSchema {
      // Inside another schema, zod refers to a named schema by its definition.
      const outer = z.toJSONSchema(z.tuple([schema]), { target, io: 'input', unrepresentable: 'any' }) as JsonSchema
      const definitions = (outer.$defs ?? outer.definitions ?? {}) as Record<string, JsonSchema>
      for (const [id, definition] of Object.entries(definitions)) {
        const { id: _id, ...shape } = rewrite(definition) as JsonSchema
        named.set(id, shape)
      }
      const [inner] = (outer.prefixItems ?? outer.items) as [JsonSchema]
      return rewrite(inner) as JsonSchema
    },
    /** The named schemas met so far, by name. */
    named: (): Record<string, JsonSchema> => Object.fromEntries([...named].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}
