import type { z } from 'zod'
import type { FieldError } from '../../schemas/api.ts'
import { complaintsOf } from '../lib/explain.ts'
import { invalid, Refusal } from './problem.ts'

/** The largest body of a request, bytes. */
const MAX_BODY = 1024 * 1024
/** A body may have thousands of errors; the answer lists the first. */
const MOST_ERRORS = 100

/** The decoded segments of `/v1/orders/{connection}/{orderId}`, by name. They may contain any characters. */
export function readParams(url: URL, path: string): Record<string, string> {
  const names = path.split('/')
  const params: Record<string, string> = {}
  for (const [index, segment] of url.pathname.split('/').entries()) {
    const name = /^\{(.+)\}$/.exec(names[index] ?? '')?.[1]
    if (name) params[name] = decode(segment, name)
  }
  assertClean(params)
  return params
}

function decode(segment: string, path: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw invalid([{ path, message: 'expected percent-encoded UTF-8, found something else' }])
  }
}

/** The query, validated. Comma lists and repeated parameters become arrays where the schema has one, digits become numbers. */
export function readQuery<Q extends z.ZodObject>(url: URL, schema: Q): z.output<Q> {
  const raw: [string, unknown][] = []
  const twice: FieldError[] = []
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name)
    const kind = Object.hasOwn(schema.shape, name) ? kindOf(schema.shape[name]) : 'string'
    if (kind === 'array') raw.push([name, values.flatMap(value => value.split(','))])
    else if (values.length > 1) twice.push({ path: name, message: 'expected one value, found more than one' })
    else raw.push([name, scalar(kind, values[0] ?? '')])
  }
  if (twice.length > 0) throw invalid(twice)
  return validate(schema, Object.fromEntries(raw))
}

/** The type of a query parameter behind wrappers such as `optional`. */
function kindOf(schema: z.core.$ZodType | undefined): string {
  const def = schema?._zod.def as { type: string; innerType?: z.core.$ZodType; in?: z.core.$ZodType } | undefined
  if (!def) return 'string'
  return def.innerType ? kindOf(def.innerType) : def.in ? kindOf(def.in) : def.type
}

function scalar(kind: string, text: string): unknown {
  if (kind === 'number') return /^-?\d{1,15}$/.test(text) ? Number(text) : text
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  // The "+" of an offset arrives as a space if it was not encoded.
  return text.replace(/^(\d{4}-\d\d-\d\dT[\d:.]+) (\d\d:\d\d)$/, '$1+$2')
}

const FIRST_SIZE = 16 * 1024

/** The body's bytes; 413 beyond `MAX_BODY`. Chunks are copied into one buffer: a list of a million small chunks would take a hundred times their size. */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = () =>
    new Refusal(413, `The body is larger than ${MAX_BODY} bytes.`, { headers: { connection: 'close' } })
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY) throw tooLarge()
  let bytes = new Uint8Array(FIRST_SIZE)
  let size = 0
  const reader = request.body?.getReader()
  try {
    while (reader) {
      const { done, value } = await reader.read()
      if (done) break
      const end = size + value.byteLength
      if (end > MAX_BODY) throw tooLarge()
      if (end > bytes.length) {
        const larger = new Uint8Array(Math.min(MAX_BODY, Math.max(end, bytes.length * 2)))
        larger.set(bytes)
        bytes = larger
      }
      bytes.set(value, size)
      size = end
    }
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(400, 'The body ended early.')
  }
  return bytes.subarray(0, size)
}

/** The JSON body, validated. An empty body counts as `{}` if all members are optional. */
export async function readBody<B extends z.ZodType>(request: Request, schema: B): Promise<z.output<B>> {
  const bytes = await readBytes(request)
  if (bytes.byteLength === 0) {
    const nothing = schema.safeParse({})
    if (nothing.success) return nothing.data
    throw invalid([{ path: '', message: 'expected a JSON object, found no body' }])
  }
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type) || request.headers.has('content-encoding'))
    throw new Refusal(
      415,
      `Expected an uncompressed body of content-type application/json, found "${type.slice(0, 100)}".`,
    )
  const body = parse(bytes)
  assertClean(body)
  return validate(schema, body)
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalid([{ path: '', message: 'expected JSON in UTF-8, found something else' }])
  }
}

/** Refuses text that a database cannot store: NUL and lone surrogates. Iterative, because a body may be nested deeply. */
function assertClean(root: unknown): void {
  const open: { path: string; value: unknown }[] = [{ path: '', value: root }]
  for (let item = open.pop(); item; item = open.pop()) {
    const { path, value } = item
    if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed()))
      throw invalid([{ path, message: 'expected text without NUL and half surrogates, found one of them' }])
    if (typeof value === 'object' && value !== null)
      for (const [name, member] of Object.entries(value))
        open.push({ path: path === '' ? name : `${path}.${name}`.slice(0, 200), value: member })
  }
}

/** What fits the schema; 400 that names the rest. */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  assertClean(value)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(
    complaintsOf(result.error, value)
      .slice(0, MOST_ERRORS)
      .map(({ path, expected, found }) => ({
        path: path.map(String).join('.'),
        message: `expected ${expected}, found ${found}`,
      })),
  )
}
