import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Outcome } from '../../dispatch/destination.ts'
import type { Clock } from '../../lib/clock.ts'
import type { HandlerReport } from './handler-report.ts'
import type { FromThread, ThreadData, ToThread } from './isolate-messages.ts'
import { outcomeOf } from './run-handler.ts'

/** The threads of one handler. Each runs one event at a time, so ending a thread costs no other delivery. */
export interface Isolate {
  run(delivery: {
    body: string
    attempt: number
    timeoutMs: number
    signal: AbortSignal
    report: HandlerReport
  }): Promise<Outcome>
  /** Ends all threads. */
  close(): Promise<void>
}

/** A thread may take this long to load the handler's file; the delivery's timeout begins after that. */
const LOAD_MS = 30_000
/** A thread without work ends after this. */
const IDLE_MS = 60_000
/** How long a run may go on after its signal was aborted at shutdown. */
const ABORT_MS = 1_000

const THREAD = new URL(`./isolate-thread${extname(import.meta.filename)}`, import.meta.url)

export function createIsolate(deps: { file: string; clock: Clock; report: HandlerReport }): Isolate {
  const { file, clock } = deps
  const all = new Set<Thread>()
  const idle: Thread[] = []
  let closed = false

  function open(): Thread {
    const thread = openThread(file, deps.report, () => {
      all.delete(thread)
      const index = idle.indexOf(thread)
      if (index >= 0) idle.splice(index, 1)
    })
    all.add(thread)
    return thread
  }

  function giveBack(thread: Thread): void {
    if (!all.has(thread)) return
    idle.push(thread)
    thread.cancelIdle = clock.after(IDLE_MS, () => void thread.end())
  }

  return {
    async run({ body, attempt, timeoutMs, signal, report }) {
      if (signal.aborted || closed) return outcomeOf('aborted', 'aborted')
      const thread = idle.pop() ?? open()
      thread.cancelIdle()
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      let cancel = clock.after(LOAD_MS, () => late(`its file was not loaded within ${LOAD_MS} ms`))
      const late = (why: string) => {
        resolve(outcomeOf('retry', `${why}; its thread was ended`))
        void thread.end()
      }
      const stopped = () => {
        resolve(outcomeOf('aborted', 'aborted'))
        thread.send({ kind: 'abort' })
        clock.after(ABORT_MS, () => void thread.end())
      }
      signal.addEventListener('abort', stopped, { once: true })
      thread.take({ report, ended: resolve })
      void thread.ready.then(isReady => {
        cancel()
        if (!isReady || signal.aborted) return
        cancel = clock.after(timeoutMs, () => late(`not done within ${timeoutMs} ms`))
        thread.send({ kind: 'run', body, attempt })
      })
      const outcome = await promise
      cancel()
      cancel = () => {}
      signal.removeEventListener('abort', stopped)
      if (!signal.aborted && thread.free()) giveBack(thread)
      return outcome
    },

    async close() {
      closed = true
      await Promise.all([...all].map(thread => thread.end()))
    },
  }
}

interface Job {
  readonly report: HandlerReport
  readonly ended: (outcome: Outcome) => void
}

interface Thread {
  /** False: the file could not be loaded, or the thread ended before. */
  readonly ready: Promise<boolean>
  cancelIdle: () => void
  send(message: ToThread): void
  take(job: Job): void
  /** The job has ended. False: the thread is ending too, and takes no other job. */
  free(): boolean
  end(): Promise<void>
}

function openThread(file: string, outside: HandlerReport, gone: () => void): Thread {
  const worker = new Worker(THREAD, { workerData: { file } satisfies ThreadData })
  // An idle thread must not keep the process alive.
  worker.unref()
  const { promise: ready, resolve: setReady } = Promise.withResolvers<boolean>()
  let job: Job | null = null
  let ending = false

  const broken = (why: string) => {
    ending = true
    setReady(false)
    gone()
    job?.ended(outcomeOf('retry', why))
    job = null
  }
  worker.on('message', (message: FromThread) => {
    const report = job?.report ?? outside
    switch (message.kind) {
      case 'ready':
        return setReady(true)
      case 'unfit':
        broken(`its file cannot be loaded in a thread: ${message.error.message}`)
        return void worker.terminate()
      case 'log':
        return report.log[message.level](message.message, message.fields)
      case 'accident':
        return report.accident(message.error, message.inFlight)
      case 'threw':
        return report.threw(message.error)
      case 'end':
        return job?.ended(message.outcome)
    }
  })
  worker.on('error', error => broken(`its thread failed: ${error instanceof Error ? error.message : String(error)}`))
  worker.on('exit', code => broken(`its thread ended with code ${code}; does it call process.exit?`))

  return {
    ready,
    cancelIdle: () => {},
    send: message => worker.postMessage(message),
    take(next) {
      job = next
    },
    free() {
      job = null
      return !ending
    },
    async end() {
      ending = true
      await worker.terminate()
    },
  }
}
