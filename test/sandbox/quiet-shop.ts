import { onTestFinished } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { KAKACLO_TOKEN } from '../../src/sandbox/kakaclo.ts'
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN } from '../../src/sandbox/shoplazza.ts'

/** A sandbox for one test, closed after it, and ways to ask it. */

export async function quietShop(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const shop = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false, ...options })
  onTestFinished(() => shop.close())
  return shop
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly body: any
}

export async function ask(url: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, headers: { ...headers } })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return { status: response.status, headers: response.headers, text, body: isJson ? parsed(text) : null }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const askKakaclo = (shop: Sandbox, path: string): Promise<Answer> =>
  ask(`${shop.url}/kakaclo/openapi${path}`, { authorization: `Bearer ${KAKACLO_TOKEN}` })

export const askShoplazza = (shop: Sandbox, path: string): Promise<Answer> =>
  ask(`${shop.url}/shoplazza/openapi${path}`, { 'access-token': SHOPLAZZA_TOKEN })

/** A clock that stands still until it is moved; what is due then happens in order. */
export function standingClock(start = Date.parse('2026-03-02T10:00:00Z')): Clock & { move(ms: number): void } {
  let now = start
  let timers: { at: number; run: () => void }[] = []
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: now + ms, run }
    timers.push(timer)
    return () => {
      timers = timers.filter(other => other !== timer)
    }
  }
  return {
    now: () => now,
    monotonic: () => now,
    sleep: ms => new Promise(resolve => after(ms, resolve)),
    after,
    move(ms) {
      const end = now + ms
      for (;;) {
        const next = timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        timers = timers.filter(timer => timer !== next)
        now = Math.max(now, next.at)
        next.run()
      }
      now = end
    },
  }
}
