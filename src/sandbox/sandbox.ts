import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { createAdmin } from './admin.ts'
import type { SandboxEnv } from './desk.ts'
import { createKakaclo, type KakacloDesk } from './kakaclo.ts'
import { startLapse } from './lapse.ts'
import { createShoplazza, type ShoplazzaDesk } from './shoplazza.ts'
import { createTuya, type TuyaDesk } from './tuya.ts'
import { sendWebhook, type WebhookOrder } from './webhook.ts'

/** The three vendors, simulated over real HTTP on loopback, with a shop in time-lapse behind them. */
export interface Sandbox {
  /** `http://127.0.0.1:PORT`; base paths are `/kakaclo/openapi`, `/tuya`, `/shoplazza/openapi/VERSION`, and `/admin`. */
  readonly url: string
  readonly port: number
  readonly kakaclo: KakacloDesk
  readonly tuya: TuyaDesk
  readonly shoplazza: ShoplazzaDesk
  sendWebhook(webhook: WebhookOrder): Promise<{ statusCode: number }>
  close(): Promise<void>
}

export interface SandboxOptions {
  /** 0: any free one. */
  readonly port: number
  readonly clock: Clock
  /** How many times faster than life; default 1. */
  readonly speed?: number
  /** The same seed gives the same orders; default: the time of the start. */
  readonly seed?: number
  /** Whether orders come and change by themselves; default true. */
  readonly lapse?: boolean
  /** Whether the vendors' rate limits hold; default true. */
  readonly limits?: boolean
}

export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { clock, speed = 1, lapse = true, limits = true } = options
  const kakaclo = createKakaclo(clock)
  const tuya = createTuya(clock)
  const shoplazza = createShoplazza(clock)
  const desks = { kakaclo: kakaclo.desk, tuya: tuya.desk, shoplazza: shoplazza.desk }
  if (!limits) for (const desk of Object.values(desks)) desk.turn({ limits: null })

  const app = new Hono<SandboxEnv>()
  app.route('/kakaclo/openapi', kakaclo.app)
  app.route('/tuya', tuya.app)
  app.route('/shoplazza/openapi', shoplazza.app)
  app.route('/admin', createAdmin(desks))

  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  const port = await listen(server, options.port)
  const running = lapse ? startLapse(desks, { clock, speed, seed: options.seed ?? Math.floor(clock.now()) }) : null

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    ...desks,
    sendWebhook: webhook => sendWebhook(shoplazza.desk, webhook),
    close() {
      running?.stop()
      return new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', cause =>
      reject(
        new AppError(
          `The sandbox cannot listen on 127.0.0.1:${port}. Is the port in use? Set sandbox.port to another, or 0.`,
          {
            code: 'sandbox.port',
            intent: 'fix',
            cause,
          },
        ),
      ),
    )
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}
