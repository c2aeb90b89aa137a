import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { Hono } from 'hono'
import type { Role } from '../api/deps.ts'
import { serveApi } from '../api/serve.ts'
import { type App, createApp } from '../app.ts'
import type { LoadedConfig } from '../config/config-file.ts'
import type { Settings } from '../config/environment.ts'
import { createBackOff } from '../lib/back-off.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { VERSION } from '../lib/version.ts'
import { createLog } from '../telemetry/log.ts'
import { type ServerFile, serverFile } from './client.ts'

const RETRY = { firstMs: 500, longestMs: 10_000 }

/** Runs the roles until the signal aborts. What cannot be reached is waited for, visibly; what cannot be right ends it. */
export async function start(options: {
  loaded: LoadedConfig
  settings: Settings
  roles: ReadonlySet<Role>
  signal: AbortSignal
}): Promise<void> {
  const { loaded, settings, roles, signal } = options
  const clock = systemClock()
  // Before the log, whose lines carry the trace they belong to.
  const warn = (error: string) => log.warn({ error }, 'traces cannot be sent')
  const tracing = settings.tracing
    ? (await import('../telemetry/open-telemetry.ts')).openTracing({ ...settings.tracing, version: VERSION, warn })
    : null
  const log = await createLog({ level: settings.logLevel, format: settings.logFormat })
  const localKey = randomBytes(24).toString('base64url')
  log.info({ version: VERSION, config: loaded.path, roles: [...roles].join(',') }, 'orderwire starts')

  const end = new AbortController()
  let waiting = 'starting'
  let face = waitingFace(() => waiting)
  const server = await serveApi({
    fetch: (request, env) => face.fetch(request, env),
    host: settings.host,
    port: settings.port,
  })
  let app: App | null = null
  let announced = false
  try {
    app = await opened()
    if (!app) return
    face = app.api
    announced = await announce(settings, server.url, localKey).then(
      () => true,
      error => {
        log.warn(
          { error: messageOf(error) },
          'commands on this machine do not find this server; set ORDERWIRE_URL for them',
        )
        return false
      },
    )
    signal.addEventListener(
      'abort',
      () => log.info('stopping: what is in flight is finished, or kept for the next start'),
      { once: true },
    )
    log.info(`API at ${server.url}${roles.has('api') ? ` (console: ${server.url}/)` : ''}; stop with Ctrl-C`)
    await app.run(AbortSignal.any([signal, end.signal]))
    if (end.signal.aborted) throw end.signal.reason
    if (!signal.aborted)
      throw new AppError(
        'The work ended by itself, although nobody stopped it. Start it again; the log says what came before.',
        {
          code: 'start.ended',
          intent: 'retry',
        },
      )
  } finally {
    await server.close()
    await app?.close()
    if (announced) await withdraw(settings, localKey)
    await tracing?.close()
  }
  log.info('stopped')

  /** The opened app; null: stopped before it could be opened. */
  async function opened(): Promise<App | null> {
    const backOff = createBackOff(RETRY)
    while (!signal.aborted) {
      try {
        return await createApp({ loaded, settings, roles, clock, log, localKey, onUnfit: end.abort.bind(end) })
      } catch (error) {
        if (!(error instanceof AppError) || error.intent !== 'retry') throw error
        waiting = messageOf(error)
        log.error({ error: waiting }, 'waiting for what cannot be reached yet')
        await clock.sleep(backOff.next(), signal)
      }
    }
    return null
  }
}

/** Removes the word left, unless another process has left its own since. */
async function withdraw({ dataFolder }: Settings, key: string): Promise<void> {
  const file = serverFile(dataFolder)
  const text = await readFile(file, 'utf8').catch(() => '')
  if (text.includes(key)) await rm(file, { force: true })
}

/** Answers while the store is not there yet: alive, and not ready, with the reason. */
function waitingFace(reason: () => string): Hono {
  return new Hono()
    .get('/healthz', c => c.json({ status: 'ok' }))
    .all('*', c => {
      const problem = { type: 'about:blank', title: 'Not ready', status: 503, detail: reason() }
      return c.json(problem, 503, { 'content-type': 'application/problem+json' })
    })
}

/** Leaves word for commands of the same user where this server is, with a key of their own. */
async function announce({ dataFolder }: Settings, url: string, key: string): Promise<void> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const content: ServerFile = { url, key, pid: process.pid }
  const file = serverFile(dataFolder)
  await rm(file, { force: true })
  await writeFile(file, JSON.stringify(content), { mode: 0o600, flag: 'wx' }).catch(async error => {
    await rm(file, { force: true })
    throw error
  })
}
