import type { z } from 'zod'
import { Problem } from '../../../schemas/api.ts'
import { OrderEvent } from '../../../schemas/order-event.ts'
import type { Answer, Route } from '../route.ts'
import { createSchemaCollector, type JsonSchema } from './json-schema.ts'

/** Version of the API, not of the program. */
export const API_VERSION = '1.0.0'

const KEY =
  'ORDERWIRE_API_KEY (role `admin`), or a key made with `POST /v1/keys`. Each call names the least role it takes: `read`, `write`, `admin`.'

const PARAMS: Readonly<Record<string, string>> = {
  connection: "a connection's id",
  orderId: "the vendor's order id, percent-encoded",
  userId: "the vendor's user id, percent-encoded",
}

/** The OpenAPI 3.1 document of these routes. */
export function openApi(routes: readonly Route[]): JsonSchema {
  const collector = createSchemaCollector({ target: 'draft-2020-12', refPrefix: '#/components/schemas/' })
  const problem = {
    description: 'A problem; `detail` says what is wrong and what to do',
    content: { 'application/problem+json': { schema: collector.schema(Problem) } },
  }
  const paths: Record<string, JsonSchema> = {}

  for (const route of routes) {
    const { summary, description, tag, answers, problems = [] } = route.doc
    const responses: Record<string, JsonSchema> = {}
    for (const [status, answer] of Object.entries(answers)) responses[status] = response(answer)
    const usual = [400, ...(route.access === 'open' ? [] : [401, 403]), ...(route.body ? [413, 415] : [])]
    for (const status of [...usual, ...problems].sort())
      responses[status] ??= { $ref: '#/components/responses/Problem' }
    responses.default = { $ref: '#/components/responses/Problem' }
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: {
        operationId: operationId(route),
        summary,
        ...(description && { description }),
        tags: [tag],
        // OpenAPI 3.1 allows role names for any scheme.
        security: route.access === 'open' ? [] : [{ key: [route.access] }],
        parameters: [...pathParameters(route), ...queryParameters(route)],
        ...(route.body && { requestBody: requestBody(route.body) }),
        responses,
      },
    }
  }

  function response({ description, schema, type = 'application/json' }: Answer): JsonSchema {
    return { description, ...(schema && { content: { [type]: { schema: collector.schema(schema) } } }) }
  }

  function requestBody(body: z.ZodType): JsonSchema {
    const required = !body.safeParse({}).success
    return { required, content: { 'application/json': { schema: collector.schema(body) } } }
  }

  function queryParameters({ query }: Route): JsonSchema[] {
    const { properties = {}, required = [] } = collector.schema(query) as {
      properties?: Record<string, JsonSchema>
      required?: string[]
    }
    return Object.entries(properties).map(([name, { description, ...schema }]) => ({
      name,
      in: 'query',
      required: required.includes(name),
      ...(description !== undefined && { description }),
      schema,
    }))
  }

  const webhook = {
    post: {
      summary: 'An order event, as an endpoint receives it',
      description:
        'Signed as Standard Webhooks say: `webhook-id` (the event id), `webhook-timestamp`, `webhook-signature`. Any 2xx acknowledges.',
      requestBody: {
        required: true,
        content: { 'application/cloudevents+json': { schema: collector.schema(OrderEvent) } },
      },
      responses: { '2XX': { description: 'Acknowledged' }, '410': { description: 'Gone: the endpoint is disabled' } },
    },
  }

  return {
    openapi: '3.1.0',
    info: {
      title: 'orderwire',
      version: API_VERSION,
      description:
        'Order events of shops and suppliers: their history, their destinations, and the connections they come from.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: [...new Set(routes.map(({ doc }) => doc.tag))].map(name => ({ name })),
    paths,
    webhooks: { orderEvent: webhook },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: KEY } },
      responses: { Problem: problem },
      schemas: collector.named(),
    },
  }
}

function pathParameters({ path }: Route): JsonSchema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...(PARAMS[name] && { description: PARAMS[name] }),
    schema: { type: 'string', minLength: 1 },
  }))
}

/** `POST /v1/endpoints/{id}/rotate-secret` → `postEndpointsByIdRotateSecret`. */
function operationId({ method, path }: Route): string {
  const words = path
    .replace(/^\/v1\//, '/')
    .replace(/\{(\w+)\}/g, 'by-$1')
    .split(/[/.-]+/)
  const camel = words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  return `${method.toLowerCase()}${camel || 'Console'}`
}
