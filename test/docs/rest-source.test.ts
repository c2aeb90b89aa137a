import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Config } from '../../schemas/config.ts'
import { RestConnection } from '../../schemas/vendor/connections.ts'

const text = readFileSync(new URL('../../docs/rest-source.md', import.meta.url), 'utf8')
const samples = [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, json = '']) => json)

/** Names of all members that a description may have, at any depth. */
function namesIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  if (Array.isArray(schema)) return schema.flatMap(namesIn)
  return Object.entries(schema).flatMap(([key, value]) =>
    key === 'properties' ? [...Object.keys(value), ...Object.values(value).flatMap(namesIn)] : namesIn(value),
  )
}

describe('docs/rest-source.md', () => {
  test('names every member of a description', () => {
    const { auth, headers, ok, list, one, times, order } = RestConnection.shape
    const own = z.object({ auth, headers, ok, list, one, times, order })
    const names = new Set(namesIn(z.toJSONSchema(own, { io: 'input' })))
    expect(names.size).toBeGreaterThan(50)
    expect([...names].filter(name => !new RegExp(`[\`".]${name}[\`"]`).test(text))).toEqual([])
  })

  test('shows samples that are valid: a whole configuration, and a part of one', () => {
    const [whole = '', part = ''] = samples
    expect(samples).toHaveLength(2)
    const config = Config.parse(JSON.parse(whole))
    const [connection] = config.connections as unknown as [RestConnection]
    const order = { ...connection.order, ...JSON.parse(`{${part}}`) }
    expect(RestConnection.safeParse({ ...JSON.parse(whole).connections[0], order }).success).toBe(true)
  })
})
