import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Context, Hono } from 'hono'

/** Files that pages load. Their names hold their digest, so browsers keep them for good; they are compressed once. */

const mine = (name: string) => new URL(`assets/${name}`, import.meta.url)
const library = (path: string) => new URL(import.meta.resolve(path))

const FILES = {
  'console.css': { at: () => mine('console.css'), type: 'text/css' },
  'console.js': { at: () => mine('console.js'), type: 'text/javascript' },
  'htmx.js': { at: () => library('htmx.org/dist/htmx.min.js'), type: 'text/javascript' },
  'uplot.js': { at: () => library('uplot/dist/uPlot.iife.min.js'), type: 'text/javascript' },
  'uplot.css': { at: () => library('uplot/dist/uPlot.min.css'), type: 'text/css' },
} as const

type Name = keyof typeof FILES

interface Asset {
  readonly path: string
  readonly type: string
  readonly plain: Buffer
  readonly br: Buffer
  readonly gzip: Buffer
}

let opened: ReadonlyMap<Name, Asset> | null = null

function assets(): ReadonlyMap<Name, Asset> {
  opened ??= new Map(
    (Object.keys(FILES) as Name[]).map(name => {
      const plain = readFileSync(FILES[name].at())
      const [stem, extension] = name.split('.')
      const path = `/assets/${stem}-${hash('sha256', plain, 'hex').slice(0, 12)}.${extension}`
      return [name, { path, type: FILES[name].type, plain, br: brotliCompressSync(plain), gzip: gzipSync(plain) }]
    }),
  )
  return opened
}

/** The address of an asset, for a page. */
export const assetPath = (name: Name): string => assets().get(name)?.path ?? ''

/** `/assets/NAME-HASH.ext`: open to everybody, for it is the same for everybody. */
export function serveAssets(app: Hono): void {
  app.get('/assets/:name', c => {
    const asset = [...assets().values()].find(({ path }) => path === c.req.path)
    return asset ? answer(c, asset) : c.text('There is no such file; load the page again.', 404)
  })
}

function answer(c: Context, { type, plain, br, gzip }: Asset): Response {
  const accepted = c.req.header('accept-encoding') ?? ''
  const [encoding, body] = /\bbr\b/.test(accepted)
    ? ['br', br]
    : /\bgzip\b/.test(accepted)
      ? ['gzip', gzip]
      : [null, plain]
  return new Response(new Uint8Array(body), {
    headers: {
      'content-type': `${type}; charset=utf-8`,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(encoding !== null && { 'content-encoding': encoding }),
    },
  })
}
