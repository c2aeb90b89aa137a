import { type Context, Hono } from 'hono'
import { AppError, messageOf } from '../lib/errors.ts'
import { createAuthentication } from './auth/authenticate.ts'
import { isLoopback, refuseForeign, secureHeaders } from './auth/foreign-requests.ts'
import { createKeyring } from './auth/keyring.ts'
import type { ApiDeps } from './deps.ts'
import { createLatestAttempts } from './latest-attempts.ts'
import { problem, Refusal } from './problem.ts'
import type { Route } from './route.ts'
import { healthRoutes } from './routes/health.ts'
import { allRoutes } from './routes.ts'

/**
 * Everything that is served: the API, its documents, inbound webhooks and the console, or without the role `api` only health and metrics.
 *
 * @example
 * const server = await serveApi({ fetch: createApi(deps).fetch, host: '127.0.0.1', port: 8080 })
 */
export function createApi(deps: ApiDeps): Hono {
  const app = new Hono()
  const full = deps.roles.has('api')
  const keyring = createKeyring({ ...deps, keys: deps.store.keys })
  const latest = createLatestAttempts(deps.store)
  const routes = full ? allRoutes({ ...deps, keyring, latest }) : healthRoutes(deps)
  const foreign = refuseForeign(deps.publicUrls)

  app.use(secureHeaders)
  // Webhooks of vendors come through proxies and with any Host; their signature is checked instead.
  app.use((c, next) => (c.req.path.startsWith('/hooks/') ? next() : foreign(c, next)))
  const authentication = createAuthentication({
    ...deps,
    localKey: deps.localKey ?? null,
    keyring,
    trusted: deps.trusted ?? false,
    loopback: isLoopback,
  })
  const { authenticate, authorise } = authentication
  for (const route of routes) if (route.access === 'open') mount(route)
  // Unknown paths below an open prefix are answered 404, not 401.
  for (const path of ['/schemas/*', '/hooks/*']) app.all(path, c => noRoute(c, routes))
  if (full && deps.console) app.route('/', deps.console.open({ ...deps, api: routes, authentication, latest }))
  app.use(authenticate)
  for (const route of routes) if (route.access !== 'open') mount(route)

  app.notFound(c => noRoute(c, routes))
  app.onError((error, c) => {
    if (error instanceof Refusal) return error.answer()
    if (error instanceof AppError) {
      deps.log.warn({ path: c.req.path, code: error.code, error: messageOf(error) }, 'a request could not be answered')
      if (error.intent === 'fix' && !error.code.startsWith('store.')) return problem(409, messageOf(error))
      const seconds = Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000))
      return problem(503, messageOf(error), { headers: { 'retry-after': `${seconds}` } })
    }
    deps.log.error({ path: c.req.path, error: messageOf(error), stack: error.stack }, 'a request failed')
    return problem(500, 'Something went wrong here; the log says what.')
  })

  function mount(route: Route): void {
    app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ':$1'), authorise(route))
  }

  return app
}

/** 405 where the path exists with other methods, else 404. */
function noRoute(c: Context, routes: readonly Route[]): Response {
  const segments = c.req.path.split('/')
  const methods = routes.filter(({ path }) => fits(path.split('/'), segments)).map(({ method }) => method)
  if (methods.length === 0) return problem(404, `There is nothing at ${c.req.path.slice(0, 200)}; see /openapi.json.`)
  const allow = [...new Set(methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(', ')
  return problem(405, `${c.req.method} is not possible here; ${allow} is.`, { headers: { allow } })
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false
  return pattern.every((part, index) => (part.startsWith('{') ? segments[index] !== '' : part === segments[index]))
}
