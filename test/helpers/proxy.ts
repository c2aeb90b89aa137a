import { execFile, spawn } from 'node:child_process'
import { request } from 'node:https'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs a check of a proxy's configuration; rejects with what the proxy says of it. */
export async function checked(binary: string, args: readonly string[]): Promise<void> {
  try {
    await run(binary, args)
  } catch (error) {
    throw new Error(`${binary} ${args.join(' ')}\n${(error as { stderr?: string }).stderr}`)
  }
}

interface Running {
  /** How it ends at once, with its own processes. */
  readonly signal: NodeJS.Signals
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a proxy in the foreground; the returned function ends it. */
export function startProxy(binary: string, args: readonly string[], { signal, env }: Running): () => Promise<void> {
  const child = spawn(binary, args, { stdio: 'ignore', env: { ...process.env, ...env } })
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  return async () => {
    child.kill(signal)
    await closed
  }
}

interface Answer {
  readonly status: number
  /** Everything that has come of the body so far. */
  body(): string
  end(): void
}

/** A request to the proxy under a public name, as a browser sends it. Resolves when the head of the answer is there. */
export const ask = (port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port, path, rejectUnauthorized: false, servername: 'orders.example.com' },
        headers: { host: 'orders.example.com', ...headers },
      },
      response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          text += chunk
        })
        response.on('error', () => {})
        resolve({ status: response.statusCode ?? 0, body: () => text, end: () => void response.destroy() })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
