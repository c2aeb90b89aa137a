import { Dispatcher } from 'undici'
import { AppError } from '../../src/lib/errors.ts'
import { call, type PortDeps } from './port.ts'

/** What a vendor's server answers. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The connection breaks after so many characters of the body. */
  readonly breaksAt?: number
}

export interface WireRequest {
  /** Path without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  /** Path and query as they came. */
  readonly url: string
}

const reset = () =>
  Object.assign(new AppError('other side closed', { code: 'UND_ERR_SOCKET', intent: 'retry' }), {
    code: 'UND_ERR_SOCKET',
  })

/** The network between one process and a vendor, as undici's client sees it: requests take their way over the port. */
export function createNetwork(port: PortDeps, answer: (request: WireRequest) => WireAnswer): Dispatcher {
  class Network extends Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      let over = false
      const fail = (error: Error) => {
        if (over) return
        over = true
        handler.onResponseError?.(controller, error)
      }
      const controller: Dispatcher.DispatchController = {
        aborted: false,
        paused: false,
        reason: null,
        rawHeaders: [],
        rawTrailers: [],
        abort: fail,
        pause() {},
        resume() {},
      }
      handler.onRequestStart?.(controller, {})
      const request = requestOf(options)
      call(port, 'GET', [request.path, [...request.query].filter(([name]) => name !== 'nonce')], async () =>
        answer(request),
      ).then(
        ({ status, headers, body, breaksAt }) => {
          if (over) return
          handler.onResponseStart?.(controller, status, { ...headers })
          const sent = breaksAt === undefined ? body : body.slice(0, breaksAt)
          if (sent !== '') handler.onResponseData?.(controller, Buffer.from(sent))
          if (breaksAt !== undefined) return fail(reset())
          over = true
          handler.onResponseEnd?.(controller, {})
        },
        () => fail(reset()),
      )
      return true
    }
  }
  return new Network()
}

function requestOf({ path, headers }: Dispatcher.DispatchOptions): WireRequest {
  const url = new URL(String(path), 'https://vendor.example')
  return {
    path: url.pathname,
    query: url.searchParams,
    headers: Object.fromEntries(Object.entries((headers ?? {}) as Record<string, string>)),
    url: String(path),
  }
}
