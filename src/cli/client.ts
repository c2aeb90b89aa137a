import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Settings } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'

/** Commands speak the HTTP API: to the running server where there is one, else to the same API in this process on the store itself. */
export interface Client {
  /** The answer's body; rejects with an AppError that carries the problem's detail. */
  call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>
  /** The answer as it streams: server-sent events, or lines. */
  open(path: string, signal: AbortSignal, method?: 'GET' | 'POST'): Promise<ReadableStream<Uint8Array>>
  /** Where it goes, for messages. */
  readonly target: string
  close(): Promise<void>
}

type Fetch = (path: string, init: RequestInit) => Promise<Response>

const Problem = z.object({
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.object({ path: z.string().optional(), message: z.string() })).optional(),
})

export function createClient(options: { fetch: Fetch; target: string; close?: () => Promise<void> }): Client {
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await options.fetch(path, init).catch(error => {
      throw new AppError(`${options.target} cannot be reached: ${messageOf(error.cause ?? error)}`, {
        code: 'cli.unreachable',
        intent: 'retry',
      })
    })
    if (response.ok) return response
    const text = await response.text()
    throw new AppError(problemOf(text) ?? `${options.target} answered ${response.status}.`, {
      code: response.status === 400 || response.status === 422 ? 'cli.usage' : 'cli.refused',
      intent: response.status === 400 || response.status === 422 ? 'fix' : 'retry',
    })
  }
  return {
    target: options.target,
    async call(method, path, body) {
      const json =
        body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      const text = await (await send(path, { method, ...json })).text()
      return text === '' ? null : JSON.parse(text)
    },
    async open(path, signal, method = 'GET') {
      const { body } = await send(path, { method, signal })
      if (!body)
        throw new AppError(`${options.target} answered without a body.`, { code: 'cli.refused', intent: 'retry' })
      return body
    },
    close: options.close ?? (async () => {}),
  }
}

function problemOf(text: string): string | null {
  try {
    const { title, detail, errors = [] } = Problem.parse(JSON.parse(text))
    const lines = errors.map(({ path, message }) => `\n  ${path ? `${path}: ` : ''}${message}`)
    return errors.length > 0 ? `This is not right:${lines.join('')}` : (detail ?? title ?? 'refused')
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
