import type { Context } from 'hono'
import { z } from 'zod'
import { cutText } from '../lib/clean-text.ts'
import { sameText } from '../lib/same-text.ts'
import { digestOf, type Sessions, type Viewer } from './sessions.ts'

/** What an action said. It stays on every page until it is dismissed or the next action says something. */
export interface Message {
  readonly tone: 'good' | 'bad'
  /** What happened and, where something is to be done, what. */
  readonly text: string
  /** A redrive that the message follows: how its events fare. */
  readonly follow?: { readonly destination: string; readonly queued: number; readonly since: number } | undefined
}

const Stored = z.object({
  tone: z.enum(['good', 'bad']),
  text: z.string(),
  follow: z.object({ destination: z.string(), queued: z.number(), since: z.number() }).optional(),
})

const COOKIE = 'message'
const KEPT_S = 86_400
/** A cookie holds 4 KiB, and base64 takes a third more. */
const LONGEST = 900

/** The message of a session, in a cookie: it outlives a restart and any process can show it. Signed, for other programs on this host set cookies too. */
export function createMessages(sessions: Sessions) {
  const sign = (viewer: Viewer, payload: string) => digestOf(`message\n${viewer.id}\n${payload}`)

  return {
    put(c: Context, viewer: Viewer, message: Message): void {
      const short = { ...message, text: cutText(message.text, LONGEST) }
      const payload = Buffer.from(JSON.stringify(short)).toString('base64url')
      sessions.put(c, COOKIE, `${payload}.${sign(viewer, payload)}`, KEPT_S)
    },

    read(c: Context, viewer: Viewer): Message | null {
      const [payload = '', signature = ''] = (sessions.read(c, COOKIE) ?? '').split('.')
      if (payload === '' || !sameText(signature, sign(viewer, payload))) return null
      try {
        return Stored.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
      } catch {
        return null
      }
    },

    drop: (c: Context): void => sessions.drop(c, COOKIE),
  }
}
