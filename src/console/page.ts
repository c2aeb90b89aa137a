import type { Context } from 'hono'
import type { z } from 'zod'
import type { Connection, Destination } from '../../schemas/api.ts'
import type { ConsoleParts } from '../api/deps.ts'
import type { KnownIds } from '../api/known-ids.ts'
import type { Attention } from '../attention/situation.ts'
import type { KeyRole } from '../store/port/keys.ts'
import type { Html } from './markup.ts'
import type { Message } from './messages.ts'
import type { Results } from './results.ts'
import type { Sessions, Viewer } from './sessions.ts'

/** What every page is made with. The answers behind the API, read at most every few seconds where they cost much. */
export interface PageDeps extends ConsoleParts {
  readonly known: KnownIds
  readonly sessions: Sessions
  attention(): Promise<readonly Attention[]>
  destinations(): Promise<readonly Destination[]>
  connections(): Promise<readonly Connection[]>
  /** Something was changed: what is shown next is read again. */
  changed(): void
  readonly results: Results<Html>
  /** Calls the API for a subscriber, whose role is none: its pages check first that it asks for its own endpoint, and may. */
  forSubscriber(c: Context): Visit['call']
}

/** One look at a page. */
export interface Visit {
  readonly c: Context
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly viewer: Viewer
  readonly now: number
  /** Calls the API as this viewer may, without HTTP; throws a `Refusal` as the API would answer it. */
  call<T>(
    schema: z.ZodType<T>,
    name: `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /v1/${string}`,
    input?: CallInput,
  ): Promise<T>
  /** The same for a call that answers line by line. Its end does not hang on the page's request. */
  stream(name: `${'GET' | 'POST'} /v1/${string}`): Promise<Response>
}

interface CallInput {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

/** What a page shows. */
export interface View {
  readonly title: string
  readonly body: Html
  /** The path of its entry in the navigation; absent: the page is none of it. */
  readonly section?: string
  /** Default 200. */
  readonly status?: number
}

/** What an action did, and where to go on. */
export interface Done {
  readonly message: Message
  /** A path of ours; default: the page whose form it was. */
  readonly to?: string
}

/** A page, or the action behind a form. */
export interface PageRoute {
  readonly method: 'GET' | 'POST'
  /** With `{names}`. */
  readonly path: string
  /** The least role; `subscriber`: who came by a subscriber's link, and nobody else. */
  readonly access: KeyRole | 'subscriber'
  run(visit: Visit & { form: URLSearchParams }): Promise<View | Done | Response>
}

/** A page. */
export const page = (
  path: string,
  run: (visit: Visit) => Promise<View | Response>,
  access: PageRoute['access'] = 'read',
): PageRoute => ({ method: 'GET', path, access, run })

/** An action: answers 303 to a page that shows its message. What it throws becomes the message. */
export const action = (
  path: string,
  access: PageRoute['access'],
  run: (visit: Visit & { form: URLSearchParams }) => Promise<Done>,
): PageRoute => ({ method: 'POST', path, access, run })

export const done = (text: string, to?: string): Done => ({
  message: { tone: 'good', text },
  ...(to !== undefined && { to }),
})
