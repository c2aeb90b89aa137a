import type { Harness } from '../api/harness.ts'
import { env } from '../api/harness.ts'

/** A browser without scripts: keeps cookies, follows redirects, and sends forms as it finds them on a page. */
export interface Browser {
  /** Opens a page. */
  open(path: string, headers?: Record<string, string>): Promise<Page>
  /** Sends the form with this action of the page that is open. */
  submit(action: string, fields?: Readonly<Record<string, string | readonly string[]>>): Promise<Page>
  /** Sends anything. */
  post(path: string, fields: Readonly<Record<string, string>>, headers?: Record<string, string>): Promise<Page>
  readonly cookies: Map<string, string>
}

interface Page {
  readonly status: number
  readonly path: string
  readonly html: string
  readonly headers: Headers
  /** What a person reads of it. */
  readonly text: string
}

const ORIGIN = 'http://localhost'

export function browserOf({ app }: Pick<Harness, 'app'>, from = '127.0.0.1'): Browser {
  const cookies = new Map<string, string>()
  let shown: Page | null = null

  async function ask(path: string, init: RequestInit & { headers: Record<string, string> }): Promise<Page> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { accept: 'text/html,*/*', ...(cookie !== '' && { cookie }), ...init.headers }
    const response = await app.request(path, { ...init, headers }, env(from))
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    const to = response.headers.get('location')
    if (response.status === 303 && to !== null) return ask(to, { headers: {} })
    const html = await response.text()
    shown = { status: response.status, path, html, headers: response.headers, text: textOf(html) }
    return shown
  }

  const post: Browser['post'] = (path, fields, headers = {}) =>
    ask(path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: ORIGIN,
        ...(shown && { referer: `${ORIGIN}${shown.path}` }),
        ...headers,
      },
    })

  return {
    cookies,
    open: (path, headers = {}) => ask(path, { headers }),
    post,
    async submit(action, fields = {}) {
      if (!shown) throw new Error('no page is open')
      const found = formsOf(shown.html).find(form => form.action === action)
      if (!found) throw new Error(`there is no form for ${action} on ${shown.path}:\n${shown.text}`)
      const all = new URLSearchParams(found.fields)
      for (const [name, value] of Object.entries(fields)) {
        all.delete(name)
        for (const one of typeof value === 'string' ? [value] : value) all.append(name, one)
      }
      return ask(action, {
        method: 'POST',
        body: all.toString(),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          origin: ORIGIN,
          referer: `${ORIGIN}${shown.path}`,
        },
      })
    },
  }
}

interface Form {
  readonly action: string
  readonly fields: [string, string][]
}

/** Forms of a page with their hidden fields, and what their inputs hold. */
function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)].map(([, attributes = '', body = '']) => ({
    action: plain(/action="([^"]*)"/.exec(attributes)?.[1] ?? ''),
    fields: [...body.matchAll(/<input[^>]*>/g)].flatMap(([input]): [string, string][] => {
      const name = /name="([^"]*)"/.exec(input)?.[1]
      const isBox = /type="(checkbox|radio)"/.test(input) && !/ checked/.test(input)
      return name === undefined || isBox ? [] : [[plain(name), plain(/value="([^"]*)"/.exec(input)?.[1] ?? '')]]
    }),
  }))
}

const plain = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

const textOf = (html: string): string =>
  plain(html.replaceAll(/<(script|style)[\s\S]*?<\/\1>/g, ' ').replaceAll(/<[^>]+>/g, ' ')).replaceAll(/\s+/g, ' ')
