import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createVendorHttp, type GetOptions, type VendorHttp } from '../../src/sources/shared/http.ts'

/** A vendor on loopback that answers as a test tells it, with the client that asks it. Closed after the test. */
export interface Loopback {
  readonly http: VendorHttp
  readonly requests: readonly { readonly url: URL; readonly raw: string; readonly headers: Record<string, string> }[]
}

export const closeAfterTest = (close: () => Promise<unknown>): void => {
  onTestFinished(async () => void (await close()))
}

export async function loopback(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  options: { clock?: Clock; path?: string } = {},
): Promise<Loopback> {
  const requests: { url: URL; raw: string; headers: Record<string, string> }[] = []
  const server = createServer((request, response) => {
    const raw = request.url ?? ''
    requests.push({ url: new URL(raw, 'http://x'), raw, headers: request.headers as Record<string, string> })
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closeAfterTest(() => new Promise(resolve => server.close(resolve).closeAllConnections()))
  const http = createVendorHttp({
    connection: 'c',
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}${options.path ?? ''}`,
    limit: { perSecond: 1000, burst: 1000 },
    clock: options.clock ?? systemClock(),
  })
  closeAfterTest(() => http.close())
  return { http, requests }
}

/** Answers every request with the next of these JSON values, and with the last one from then on. */
export function answering(...values: readonly unknown[]): (request: IncomingMessage, response: ServerResponse) => void {
  let next = 0
  return (_, response) => {
    const value = values[Math.min(next++, values.length - 1)]
    response.end(typeof value === 'string' ? value : JSON.stringify(value))
  }
}

export const live = (more: Partial<GetOptions> = {}) => ({
  signal: new AbortController().signal,
  priority: 'live' as const,
  ...more,
})

/** The AppError a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (error instanceof AppError) return error
  throw new AppError(`expected an AppError, found ${String(error)}`, { code: 'test', intent: 'fix' })
}
