import type { Context } from 'hono'
import { z } from 'zod'
import type { KeyRole } from '../store/port/keys.ts'
import { readBody, readParams, readQuery, validate } from './read-request.ts'

/** Who may call a route: anybody, or a key of at least this role (`read` < `write` < `admin`). */
type Access = 'open' | KeyRole

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never

/** One answer of a route, for OpenAPI. */
export interface Answer {
  readonly description: string
  /** Absent: no body. */
  readonly schema?: z.ZodType
  /** Default `application/json`. */
  readonly type?: string
}

/** The description of a route in OpenAPI. Its schemas are those that validate requests. */
interface RouteDoc {
  readonly summary: string
  readonly tag: string
  readonly description?: string
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of problems besides those that any route may answer. */
  readonly problems?: readonly number[]
}

interface Definition<P extends string, Q extends z.ZodObject, B extends z.ZodType> extends RouteDoc {
  readonly method: Method
  /** With `{names}`, as in OpenAPI. */
  readonly path: P
  readonly access: Access
  readonly query?: Q
  readonly body?: B
  /** For callers that we do not control (a vendor's webhook, a browser): the query is ignored, and the route reads the body. */
  readonly lax?: boolean
  handle(call: {
    c: Context
    params: Readonly<Record<Names<P>, string>>
    query: z.output<Q>
    body: z.output<B>
  }): Response | Promise<Response>
}

export interface Route {
  readonly method: Method
  readonly path: string
  readonly access: Access
  readonly doc: RouteDoc
  readonly query: z.ZodObject
  readonly body: z.ZodType | null
  run(c: Context): Promise<Response>
  /** The same without HTTP, for the console; what it is asked is validated as a request is. */
  answer(call: RouteCall): Promise<Response>
}

interface RouteCall {
  /** Of the page: an abort of its request ends the call. */
  readonly c: Context
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

const NOTHING = z.strictObject({})

/** One call of the API: its parameters, its answers, and its function. */
export function route<P extends string, Q extends z.ZodObject = typeof NOTHING, B extends z.ZodType = typeof NOTHING>(
  definition: Definition<P, Q, B>,
): Route {
  const { method, path, access, lax = false, handle } = definition
  const query = (definition.query ?? NOTHING) as Q
  const bodySchema = (definition.body ?? NOTHING) as B
  const takesBody = !lax && method !== 'GET' && method !== 'DELETE'
  return {
    method,
    path,
    access,
    doc: definition,
    query,
    body: definition.body ?? null,
    async run(c) {
      const url = new URL(c.req.url)
      const params = readParams(url, path) as Record<Names<P>, string>
      return handle({
        c,
        params,
        query: readQuery(lax ? new URL(url.pathname, url) : url, query),
        body: takesBody ? await readBody(c.req.raw, bodySchema) : (undefined as z.output<B>),
      })
    },
    async answer({ c, params = {}, query: asked = {}, body = {} }) {
      return handle({
        c,
        params: params as Record<Names<P>, string>,
        query: validate(query, asked),
        body: takesBody ? validate(bodySchema, body) : (undefined as z.output<B>),
      })
    },
  }
}
