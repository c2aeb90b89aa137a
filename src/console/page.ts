import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Console } from '../api/deps.ts'
import { type Route, route } from '../api/route.ts'

/** A page of one file: script and style are put into the document, so that it needs nothing else from anywhere. */
function page(status: number, body: string, script: string): () => Response {
  const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')
  let made: { html: string; policy: string } | null = null

  function make() {
    const style = read('console.css')
    const scripts = [read('sign-in.js'), read('console.js')]
    const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>orderwire</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
${read(body).trim()}
<script>${read(script)}</script>
</html>
`
    const sources = scripts.map(text => `'sha256-${hash('sha256', text, 'base64')}'`).join(' ')
    // Both scripts are named: signing in replaces the document, and the policy of the first stays in force.
    const policy = `default-src 'none'; script-src ${sources}; style-src 'sha256-${hash('sha256', style, 'base64')}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
    return { html, policy }
  }

  return () => {
    made ??= make()
    return new Response(made.html, {
      status,
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': made.policy,
        'cache-control': 'no-store',
        ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      },
    })
  }
}

const consolePage = page(200, 'console.html', 'console.js')

/** Asks for the key; for browsers, which cannot send it when a person opens the console. */
const signInPage = page(401, 'sign-in.html', 'sign-in.js')

/** `/`: what a person looks at. */
function consoleRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      path: '/',
      access: 'read',
      lax: true,
      summary: 'The console',
      tag: 'console',
      answers: { 200: { description: 'A page', schema: z.string(), type: 'text/html' } },
      handle: consolePage,
    }),
  ]
}

/** The console, for `ApiDeps`. */
export const createConsole = (): Console => ({ routes: consoleRoutes(), signIn: signInPage })
