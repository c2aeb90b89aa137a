import { hash } from 'node:crypto'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Html } from './markup.ts'

/** Nothing but our own files: no script or style within a page, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** Relative times change by themselves: a page that differs in nothing else is the same page. */
const digestOf = (text: string): string =>
  hash('sha256', text.replaceAll(/(<time[^>]*>)[^<]*/g, '$1'), 'base64url').slice(0, 27)

/** A page as the answer; 304 where the browser has it already. */
export async function answerHtml(c: Context, page: Html, status: ContentfulStatusCode): Promise<Response> {
  const text = String(await page)
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
    'referrer-policy': 'same-origin',
    vary: 'cookie',
  }
  if (status !== 200) {
    const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
    return c.body(text, status, { ...headers, ...challenge, 'cache-control': 'no-store' })
  }
  const etag = `W/"${digestOf(text)}"`
  // Kept to compare only: every look asks.
  const kept = { ...headers, etag, 'cache-control': 'private, no-cache' }
  return c.req.header('if-none-match') === etag ? c.body(null, 304, kept) : c.body(text, 200, kept)
}
