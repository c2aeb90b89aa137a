import { z } from 'zod'
import { asyncApi } from '../documents/asyncapi.ts'
import { eventSchema } from '../documents/event-schema.ts'
import { eventTypes } from '../documents/event-types.ts'
import type { JsonSchema } from '../documents/json-schema.ts'
import { openApi } from '../documents/openapi.ts'
import { RawJson, reply } from '../json.ts'
import { type Route, route } from '../route.ts'

/** The generated documents. `routes` is a function because the documents describe their own routes too. */
export function documentRoutes(routes: () => readonly Route[]): Route[] {
  const document = (path: string, summary: string, type: string, make: () => JsonSchema): Route => {
    let made: RawJson | null = null
    return route({
      method: 'GET',
      path,
      access: 'open',
      summary,
      tag: 'documents',
      answers: { 200: { description: 'Generated', schema: z.looseObject({}), type } },
      handle() {
        made ??= new RawJson(JSON.stringify(make()))
        return reply(made, 200, { 'content-type': type, 'cache-control': 'no-cache' })
      },
    })
  }

  return [
    document('/openapi.json', 'This API, as OpenAPI 3.1', 'application/json', () => openApi(routes())),
    document('/asyncapi.json', 'The topic, as AsyncAPI 3', 'application/json', asyncApi),
    document('/schemas/order-event-1.json', 'The event, as JSON Schema', 'application/schema+json', eventSchema),
    route({
      method: 'GET',
      path: '/schemas/order-event-1.d.ts',
      access: 'open',
      summary: 'The event, as TypeScript',
      tag: 'documents',
      answers: { 200: { description: 'Generated', schema: z.string(), type: 'text/plain' } },
      handle: () =>
        new Response(eventTypes(), {
          headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' },
        }),
    }),
  ]
}
