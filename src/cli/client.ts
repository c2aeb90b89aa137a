import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Settings } from '../config/environment.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { complaintsOf, keyOf } from '../lib/explain.ts'

/** Commands speak the HTTP API: to the running server where there is one, else to the same API in this process on the store itself. */
export interface Client {
  /** The answer's body, JSON; rejects with an AppError that carries the problem's detail, or says that this is no orderwire. */
  call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>
  /** The answer's body; null where there is no such thing (404). */
  find(path: string): Promise<unknown>
  /** The answer as it streams: server-sent events, or lines. */
  open(path: string, options: OpenOptions): Promise<ReadableStream<Uint8Array>>
  /** An answer, or a part of it, as the shape it must have; throws an AppError where it has another. */
  read<S extends z.ZodType>(shape: S, value: unknown): z.output<S>
  /** Where it goes, for messages. */
  readonly target: string
  close(): Promise<void>
}

interface OpenOptions {
  readonly type: 'text/event-stream' | 'application/jsonl'
  readonly signal: AbortSignal
  readonly method?: 'GET' | 'POST'
}

type Fetch = (path: string, init: RequestInit) => Promise<Response>

const Problem = z.object({
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.object({ path: z.string().optional(), message: z.string() })).optional(),
})

export function createClient(options: { fetch: Fetch; target: string; close?: () => Promise<void> }): Client {
  const { target } = options
  /** Something else answers there: another program, a proxy, or an orderwire that is too old or too new. */
  const foreign = (what: string): AppError =>
    new AppError(
      `${target} is no orderwire, or none of this version: it answered ${what}. Set ORDERWIRE_URL to the address of a running orderwire, or leave it unset.`,
      { code: 'cli.foreign', intent: 'retry' },
    )

  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await options.fetch(path, init).catch(error => {
      throw new AppError(`${target} cannot be reached: ${messageOf(error.cause ?? error)}; check that it runs there.`, {
        code: 'cli.unreachable',
        intent: 'retry',
      })
    })
    if (response.ok) return response
    const { status } = response
    const text = await response.text()
    const refusal = isOf(response, 'application/problem+json') ? problemOf(text) : null
    if (refusal === null) throw foreign(described(response))
    const isUsage = status === 400 || status === 422
    throw new AppError(refusal, {
      code: isUsage ? 'cli.usage' : status === 404 ? NOT_FOUND : 'cli.refused',
      intent: isUsage ? 'fix' : 'retry',
    })
  }
  const client: Client = {
    target,
    async find(path) {
      try {
        return await client.call('GET', path)
      } catch (error) {
        if (error instanceof AppError && error.code === NOT_FOUND) return null
        throw error
      }
    },
    async call(method, path, body) {
      const json =
        body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      const response = await send(path, { method, ...json })
      const text = await response.text()
      if (response.status === 204 && text === '') return null
      try {
        return JSON.parse(text)
      } catch {
        throw foreign(described(response))
      }
    },
    async open(path, { type, signal, method = 'GET' }) {
      const response = await send(path, { method, signal })
      if (!response.body || !isOf(response, type)) throw foreign(described(response))
      return response.body
    },
    read(shape, value) {
      const result = shape.safeParse(value)
      if (result.success) return result.data
      const [first] = complaintsOf(result.error, value)
      const where = first
        ? `: ${keyOf(first.path) || 'the answer'}: expected ${first.expected}, found ${first.found}`
        : ''
      throw foreign(`with something else than orderwire does${where}`)
    },
    close: options.close ?? (async () => {}),
  }
  return client
}

const NOT_FOUND = 'cli.not_found'

const isOf = (response: Response, type: string): boolean =>
  response.headers.get('content-type')?.startsWith(type) === true

const described = (response: Response): string =>
  `${response.status}, ${response.headers.get('content-type')?.slice(0, 100) || 'of no content-type'}`

/** A refusal's words; null: what came is none of ours. */
function problemOf(text: string): string | null {
  try {
    const { title, detail, errors = [] } = Problem.parse(JSON.parse(text))
    const lines = errors.map(({ path, message }) => `\n  ${path ? `${path}: ` : ''}${message}`)
    return errors.length > 0 ? `This is not right:${lines.join('')}` : (detail ?? title ?? null)
  } catch {
    return null
  }
}

// ── the running server ───────────────────────────────────────────────────────────────────────────────────────────────────

const SERVER_FILE = 'server.json'
const ServerFile = z.object({ url: z.url(), key: z.string(), pid: z.number() })
export type ServerFile = z.infer<typeof ServerFile>

/** Private file by which commands of the same user find the running server. */
export const serverFile = (dataFolder: string): string => join(dataFolder, SERVER_FILE)

/** The running server, if there is one: named by ORDERWIRE_URL, or found by the file it left in the data folder. */
export async function findServer({ serverUrl, apiKey, dataFolder }: Settings): Promise<Client | null> {
  if (serverUrl !== null) return over(serverUrl, apiKey)
  const found = await readFile(serverFile(dataFolder), 'utf8').then(
    text => ServerFile.safeParse(JSON.parse(text)),
    () => null,
  )
  if (!found?.success || !isAlive(found.data.pid)) return null
  const answers = await fetch(new URL('/healthz', found.data.url), { signal: AbortSignal.timeout(3_000) }).catch(
    () => null,
  )
  return answers?.ok ? over(found.data.url, found.data.key) : null
}

function over(url: string, key: string | null): Client {
  const base = url.replace(/\/+$/, '')
  const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  return createClient({
    target: base,
    fetch: (path, init) => fetch(base + path, { ...init, headers: { ...init.headers, ...authorization } }),
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
