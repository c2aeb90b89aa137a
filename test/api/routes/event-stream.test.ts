import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createEventFeed } from '../../../src/api/event-feed.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { env, type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

interface Message {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** Reads a stream message by message; comments are skipped. */
async function listen(path: string, headers: Record<string, string> = {}) {
  const response = await api.app.request(path, { headers }, env())
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const ready: Message[] = []
  return {
    response,
    async next(): Promise<Message> {
      for (;;) {
        const message = ready.shift()
        if (message) return message
        const chunk = await reader?.read()
        if (!chunk || chunk.done) throw new Error('the stream ended')
        text += chunk.value
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          )
          if (fields.data !== undefined)
            ready.push({ id: fields.id ?? '', event: fields.event ?? '', data: fields.data })
        }
      }
    },
    close: () => reader?.cancel(),
  }
}

describe('GET /v1/events/stream', () => {
  test('shows what happens from now on, as stored', async () => {
    await api.seed('shop', 'before')
    const stream = await listen('/v1/events/stream')
    expect(stream.response.status).toBe(200)
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const events = await api.seed('shop', 'after')
    api.ring()
    for (const { id, type, body } of events) expect(await stream.next()).toEqual({ id, event: type, data: body })
    await stream.close()
  })

  test('goes on behind the last event seen, without a gap', async () => {
    const first = await api.seed('shop', '1')
    const missed = await api.seed('shop', '2')
    const lastId = first.at(-1)?.id ?? ''
    for (const stream of [
      await listen('/v1/events/stream', { 'last-event-id': lastId }),
      await listen(`/v1/events/stream?lastEventId=${lastId}`),
    ]) {
      for (const { id } of missed) expect((await stream.next()).id).toBe(id)
      await stream.close()
    }
  })

  test('begins with the past where it is asked to', async () => {
    const old = await api.seed('shop', '1', {}, NOW - 60_000)
    const recent = await api.seed('shop', '2')
    const all = await listen('/v1/events/stream?since=2026-01-01')
    for (const { id } of [...old, ...recent]) expect((await all.next()).id).toBe(id)
    await all.close()
    const some = await listen(`/v1/events/stream?since=${new Date(NOW).toISOString()}`)
    expect((await some.next()).id).toBe(recent[0]?.id)
    await some.close()
  })

  test('has the filters of the list', async () => {
    const stream = await listen('/v1/events/stream?type=order.shipped&connection=kk,shop&order=2')
    await api.seed('shop', '1')
    api.ring()
    const [, shipped] = await api.seed('shop', '2')
    api.ring()
    expect((await stream.next()).id).toBe(shipped?.id)
    await stream.close()
  })

  test('carries a long history to a reader in pages, each event once and in order', async () => {
    const ids: string[] = []
    for (let order = 0; order < 90; order++) ids.push(...(await api.seed('shop', `o-${order}`)).map(({ id }) => id))
    const stream = await listen('/v1/events/stream?since=2026-01-01')
    const seen: string[] = []
    while (seen.length < ids.length) seen.push((await stream.next()).id)
    expect(seen).toEqual(ids)
    await stream.close()
  })

  test('reads no more of the store than its reader takes', async () => {
    for (let order = 0; order < 90; order++) await api.seed('shop', `o-${order}`)
    let pages = 0
    const { list } = api.store.events
    const store = {
      ...api.store,
      events: {
        ...api.store.events,
        list(...args: Parameters<typeof list>) {
          pages++
          return list(...args)
        },
      },
    }
    const slow = await openHarness({ store })
    const response = await slow.app.request('/v1/events/stream?since=2026-01-01', {}, env())
    const reader = response.body?.getReader()
    await reader?.read()
    expect(pages).toBe(0)
    await reader?.read()
    expect(pages).toBe(1)
    await reader?.cancel()
    await slow.close()
  })

  test('sees what another process wrote, by asking the store', async () => {
    const stream = await listen('/v1/events/stream')
    const events = await api.seed('shop', '1')
    expect((await stream.next()).id).toBe(events[0]?.id)
    await stream.close()
  })

  test.each([
    ['/v1/events/stream?type=order.lost', 400],
    ['/v1/events/stream?connection=nowhere', 400],
    ['/v1/events/stream?limit=5', 400],
    ['/v1/events/stream?lastEventId=evt_0000000000000000000000', 400],
  ])('%s is %d', async (path, status) => {
    expect((await api.call('GET', path)).status).toBe(status)
  })

  test('an unknown Last-Event-ID is refused: what was missed is not known', async () => {
    const { status, body } = await api.call('GET', '/v1/events/stream', { headers: { 'last-event-id': 'evt_gone' } })
    expect(status).toBe(400)
    expect(body.errors[0].path).toBe('Last-Event-ID')
  })

  test('HEAD answers at once', async () => {
    const response = await api.app.request('/v1/events/stream', { method: 'HEAD' }, env())
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(await response.text()).toBe('')
  })

  test('more than 200 at a time are refused, and a closed one makes room', async () => {
    const streams = await Promise.all(Array.from({ length: 200 }, () => listen('/v1/events/stream')))
    expect((await api.call('GET', '/v1/events/stream')).status).toBe(503)
    await streams[0]?.close()
    const another = await listen('/v1/events/stream')
    expect(another.response.status).toBe(200)
    await Promise.all([...streams, another].map(stream => stream.close()))
  })

  test('says now and then that it is alive', async () => {
    const hands = { at: 0 }
    const clock: Clock = {
      now: () => NOW,
      monotonic: () => hands.at,
      // Time passes as soon as somebody waits for it.
      sleep: async (ms, signal) => {
        await Promise.resolve()
        if (!signal?.aborted && ms > 1000) hands.at += ms
        else if (!signal?.aborted)
          await new Promise<void>(resolve => signal?.addEventListener('abort', () => resolve()))
      },
      after: () => () => {},
    }
    const idle = await openHarness({ clock })
    const response = await idle.app.request('/v1/events/stream', {}, env())
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toContain(': listening')
    expect((await reader?.read())?.value).toBe(': still here\n\n')
    expect(hands.at).toBe(15_000)
    await reader?.cancel()
    await idle.close()
  })
})

describe('the event feed', () => {
  test('asks the store only while somebody waits', async () => {
    let asked = 0
    const sleeps: (() => void)[] = []
    const clock: Clock = {
      now: () => 0,
      monotonic: () => 0,
      sleep: (_, signal) =>
        new Promise(resolve => {
          sleeps.push(resolve)
          signal?.addEventListener('abort', () => resolve())
        }),
      after: () => () => {},
    }
    const feed = createEventFeed({ events: { last: async () => ++asked }, clock, log: { warn: () => {} } as never })
    expect([asked, sleeps.length]).toEqual([0, 0])
    const stop = new AbortController()
    const waiting = feed.wait(feed.version(), 60_000, stop.signal)
    expect(asked).toBe(0)
    sleeps[0]?.()
    expect(await waiting).toBe(true)
    expect(asked).toBe(1)
    const again = feed.wait(feed.version(), 60_000, stop.signal)
    stop.abort()
    expect(await again).toBe(false)
    expect(asked).toBe(1)
  })
})
