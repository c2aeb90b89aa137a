import { connect } from 'node:net'
import type pg from 'pg'
import type { Clock } from '../../lib/clock.ts'
import { endsWithin } from '../../lib/deadline.ts'

/** A statement without an answer for this long makes us ask whether the server is there at all. */
const SLOW_MS = 2_000
/** How long the server may take to answer that. */
const ANSWER_MS = 3_000

/** `SSLRequest` of PostgreSQL's protocol: a server or a pooler answers one byte, before any login. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Whether the server of one session is still there to answer. */
export interface Liveness {
  /** Runs a statement; destroys the connection if the server is gone meanwhile, which rejects the statement. */
  guard<T>(statement: Promise<T>): Promise<T>
  /** The server is gone. */
  readonly gone: boolean
}

/**
 * A machine that is lost closes no connection: without this a statement would wait for its time limit, and so would the next one on each
 * session of the pool. A slow statement alone is no reason: the server is asked on a connection of its own. What one session finds out
 * ends the statements of all its sessions.
 */
export function createLivenessWatch(clock: Clock): (client: pg.Client) => Liveness {
  /** What to do with the sessions that wait for an answer, by server. */
  const waiting = new Map<string, Set<() => void>>()

  async function watch(peer: Peer, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await clock.sleep(SLOW_MS, over)
      if (over.aborted || (await answers(peer, ANSWER_MS, clock)) || over.aborted) continue
      for (const lose of waiting.get(nameOf(peer)) ?? []) lose()
      return
    }
  }

  return client => {
    let gone = false
    const lose = () => {
      gone = true
      streamOf(client)?.destroy()
    }
    return {
      get gone() {
        return gone
      },
      async guard(statement) {
        const peer = peerOf(client)
        if (!peer) return statement
        const over = new AbortController()
        const others = waiting.get(nameOf(peer)) ?? new Set()
        waiting.set(nameOf(peer), others.add(lose))
        void watch(peer, over.signal)
        try {
          return await statement
        } finally {
          over.abort()
          others.delete(lose)
        }
      },
    }
  }
}

const nameOf = ({ host, port }: Peer): string => `${host} ${port}`

interface Peer {
  readonly host: string
  readonly port: number
}

interface Stream {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  destroy(): void
}

function streamOf(client: pg.Client): Stream | null {
  const connection: unknown = Reflect.get(client, 'connection')
  const stream: unknown = connection && typeof connection === 'object' ? Reflect.get(connection, 'stream') : null
  return stream && typeof stream === 'object' && 'destroy' in stream ? (stream as Stream) : null
}

/** The address that the session is connected to: its name may belong to another machine by now. null: a socket of this machine. */
function peerOf(client: pg.Client): Peer | null {
  const stream = streamOf(client)
  return stream?.remoteAddress && stream.remotePort ? { host: stream.remoteAddress, port: stream.remotePort } : null
}

/** Whether a PostgreSQL server or a pooler answers there. Needs no user, and leaves no session behind. */
export async function answers(peer: Peer, withinMs: number, clock: Clock): Promise<boolean> {
  const socket = connect(peer)
  let answered = false
  const settled = new Promise<void>(resolve => {
    socket.once('connect', () => socket.write(SSL_REQUEST))
    socket.once('data', () => {
      answered = true
      resolve()
    })
    socket.once('error', () => resolve())
    socket.once('close', () => resolve())
  })
  const inTime = await endsWithin(clock, withinMs, settled)
  // After a blocked event loop the answer may be there, unread, when the time is over.
  if (!inTime) await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  return answered
}
