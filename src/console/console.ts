import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { mayCall } from '../api/auth/authenticate.ts'
import type { Console, ConsoleParts } from '../api/deps.ts'
import { createKnownIds } from '../api/known-ids.ts'
import { Refusal } from '../api/problem.ts'
import { readBytes } from '../api/read-request.ts'
import { route } from '../api/route.ts'
import { createAttention } from '../api/routes/attention.ts'
import { createConnections } from '../api/routes/connections.ts'
import { createStanding } from '../api/routes/destinations.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { serveAssets } from './assets.ts'
import { createCalls } from './calls.ts'
import { answerHtml } from './html-answer.ts'
import { deadLinkPage, layout, openLinkPage, problemBody, reloadPage, signInPage } from './layout.ts'
import type { Html } from './markup.ts'
import { createMessages } from './messages.ts'
import type { Done, PageDeps, PageRoute, View, Visit } from './page.ts'
import { PAGES, SECTIONS } from './pages.ts'
import { redriveProgress } from './progress.ts'
import { remember } from './remember.ts'
import { createResults } from './results.ts'
import { createSessions, type Viewer } from './sessions.ts'

/** What is read for many pages at once is good for so long, milliseconds. */
const FRESH_MS = 2_000

/** The console, for `ApiDeps`. */
export const createConsole = (): Console => ({ routes: [described], open })

/** For OpenAPI; the pages themselves are served by `open`. */
const described = route({
  method: 'GET',
  path: '/',
  access: 'read',
  lax: true,
  summary: 'The console',
  tag: 'console',
  answers: { 200: { description: 'A page', schema: z.string(), type: 'text/html' } },
  handle: () => new Response(null, { status: 404 }),
})

function open(parts: ConsoleParts): Hono {
  const app = new Hono()
  const sessions = createSessions(parts)
  const messages = createMessages(sessions)
  const deps = pageDeps(parts, sessions)
  const calls = createCalls(parts)

  serveAssets(app)
  for (const one of PAGES.flatMap(make => make(deps)))
    app.on(one.method, one.path.replaceAll(/\{(\w+)\}/g, ':$1'), c => serve(c, one))

  app.post('/sign-in', async c => {
    const form = await readForm(c)
    const to = localPath(form.get('to') ?? '/')
    if (!sessions.isOwnOrigin(c)) throw new Refusal(403, 'Pages of other sites may not use this service.')
    const isRight = await sessions.signIn(c, (form.get('key') ?? '').trim())
    return isRight ? goTo(c, to) : answerHtml(c, signInPage(to, true), 401)
  })
  // A page before the session begins: programs that look into links in messages must not use them up.
  app.get('/portal/open', c => answerHtml(c, openLinkPage(new URL(c.req.url).searchParams.get('link') ?? ''), 200))
  app.post('/portal/open', async c => {
    const form = await readForm(c)
    if (!sessions.isOwnOrigin(c)) throw new Refusal(403, 'Pages of other sites may not use this service.')
    const opened = await sessions.openLink(c, form.get('link') ?? '')
    return opened ? goTo(c, '/portal') : answerHtml(c, deadLinkPage(), 410)
  })
  app.post('/sign-out', c => act(c, async viewer => sessions.signOut(c, viewer)))
  app.post('/dismiss', c => act(c, async () => messages.drop(c)))
  return app

  async function serve(c: Context, route: PageRoute): Promise<Response> {
    const viewer = await sessions.viewerOf(c)
    if (viewer === null) return askForKey(c)
    if (route.access === 'subscriber' ? viewer.endpoint === null : !mayCall(viewer.role, route.access))
      return viewer.endpoint !== null && c.req.method === 'GET'
        ? goTo(c, '/portal')
        : show(c, viewer, problem(403, `This needs the role "${route.access}"; yours is "${viewer.role}".`))
    const visit = visitOf(c, route, sessions.withId(c, viewer))
    return route.method === 'GET' ? look(visit, route) : change(visit, route)
  }

  async function look(visit: Visit, route: PageRoute): Promise<Response> {
    const { c, viewer } = visit
    try {
      const answer = await route.run({ ...visit, form: new URLSearchParams() })
      if (answer instanceof Response) return answer
      return show(c, viewer, answer as View)
    } catch (error) {
      const { status, text } = failure(error, c)
      return show(c, viewer, problem(status, text))
    }
  }

  /** What an action throws becomes its message: the page stays, and the message stays on it. */
  async function change(visit: Visit, route: PageRoute): Promise<Response> {
    const { c, viewer } = visit
    const form = await readForm(c)
    const back = localPath(c.req.header('referer') ?? '/')
    if (!sessions.isOurForm(c, viewer, form.get('token') ?? ''))
      return show(
        c,
        viewer,
        problem(
          403,
          'This form is not of your session any more. Go back, load the page again, and repeat what you did.',
        ),
      )
    deps.changed()
    try {
      const answer = await route.run({ ...visit, form })
      if (answer instanceof Response) return answer
      const { message, to } = answer as Done
      messages.put(c, viewer, message)
      return goTo(c, to ?? back)
    } catch (error) {
      const { text } = failure(error, c)
      messages.put(c, viewer, { tone: 'bad', text })
      return goTo(c, back)
    } finally {
      deps.changed()
    }
  }

  /** The small actions of the frame itself. */
  async function act(c: Context, run: (viewer: Viewer) => Promise<void>): Promise<Response> {
    const viewer = await sessions.viewerOf(c)
    const form = await readForm(c)
    if (viewer !== null && sessions.isOurForm(c, viewer, form.get('token') ?? '')) await run(viewer)
    return goTo(c, localPath(c.req.header('referer') ?? '/'))
  }

  function visitOf(c: Context, { path }: PageRoute, viewer: Viewer): Visit {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
    const params = Object.fromEntries(names.map(name => [name, c.req.param(name) ?? '']))
    const query = new URL(c.req.url).searchParams
    return { c, params, query, viewer, now: parts.clock.now(), ...calls(c, viewer) }
  }

  async function show(c: Context, viewer: Viewer, view: View): Promise<Response> {
    const message = messages.read(c, viewer)
    const progress = message?.follow ? await redriveProgress(parts.store, message.follow).catch(() => null) : null
    const attention = viewer.role === null ? null : await deps.attention().catch(() => null)
    const needing = attention?.filter(({ severity }) => severity !== 'info').length ?? null
    const page = layout({
      ...{ title: view.title, body: view.body, section: view.section, viewer, version: parts.version },
      sections: viewer.role === null ? [] : SECTIONS,
      message: message && { message, progress },
      attention: needing,
    })
    return answerHtml(c, page, (view.status ?? 200) as ContentfulStatusCode)
  }

  async function askForKey(c: Context): Promise<Response> {
    const { pathname, search } = new URL(c.req.url)
    const isPage = c.req.method === 'GET' && (c.req.header('accept') ?? '').includes('text/html')
    if (!isPage) {
      // A program, or a form whose session has ended.
      const given = c.req.header('authorization') !== undefined
      parts.authentication.noteRefusal(c, given ? 'wrong' : 'missing')
      if (c.req.method === 'GET')
        throw new Refusal(401, 'Send the key as "Authorization: Bearer KEY", or open this page in a browser.', {
          headers: { 'www-authenticate': 'Bearer' },
        })
      return answerHtml(c, signInPage(localPath(c.req.header('referer') ?? '/'), false), 401)
    }
    if (c.req.header('sec-fetch-site') === 'cross-site') return answerHtml(c, reloadPage(pathname + search), 200)
    parts.authentication.noteRefusal(c, 'missing')
    return answerHtml(c, signInPage(pathname + search, false), 401)
  }

  /** What went wrong, for a person. */
  function failure(error: unknown, c: Context): { status: number; text: string } {
    if (error instanceof Refusal) return { status: error.status, text: error.message }
    if (error instanceof AppError) {
      parts.log.warn({ path: c.req.path, code: error.code, error: messageOf(error) }, 'a page could not be answered')
      return { status: error.intent === 'fix' && !error.code.startsWith('store.') ? 409 : 503, text: messageOf(error) }
    }
    parts.log.error({ path: c.req.path, error: messageOf(error) }, 'a page failed')
    return { status: 500, text: 'Something went wrong here; the log says what.' }
  }
}

const problem = (status: number, text: string): View => ({
  title: 'Problem',
  status,
  body: problemBody(status, text),
})

function goTo(c: Context, to: string): Response {
  c.header('cache-control', 'no-store')
  return c.redirect(to, 303)
}

/** A path of this service; '/' for anything else, so that nobody is led away. */
function localPath(text: string): string {
  const url = URL.parse(text, 'http://local.invalid')
  if (!url) return '/'
  const path = `${url.pathname}${url.search}`
  return /^\/(?![/\\])/.test(path) ? path : '/'
}

async function readForm(c: Context): Promise<URLSearchParams> {
  const type = c.req.header('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) return new URLSearchParams()
  return new URLSearchParams(Buffer.from(await readBytes(c.req.raw)).toString())
}

const NOBODY: Viewer = { role: null, endpoint: null, may: [], id: '', signedIn: false }

function pageDeps(parts: ConsoleParts, sessions: PageDeps['sessions']): PageDeps {
  const { clock } = parts
  const ids = createKnownIds(parts)
  const ends = remember(ids.destinations, FRESH_MS, clock)
  const known = { ...ids, destinations: ends.get }
  const connections = remember(createConnections(parts).list, FRESH_MS, clock)
  const destinations = remember(createStanding({ ...parts, known }), FRESH_MS, clock)
  const look = createAttention({ ...parts, known, connections: connections.get, standing: destinations.get })
  const attention = remember(look, FRESH_MS, clock)
  return {
    ...parts,
    ...{ known, sessions, results: createResults<Html>() },
    connections: connections.get,
    destinations: destinations.get,
    attention: attention.get,
    forSubscriber: c => createCalls(parts)(c, { ...NOBODY, role: 'admin' }).call,
    changed() {
      for (const one of [ends, connections, destinations, attention]) one.forget()
    },
  }
}
