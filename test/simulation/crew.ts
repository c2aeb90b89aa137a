import { Worker } from 'node:worker_threads'

/** Runs tasks in threads, each of which does one at a time. */
export interface Crew<T, R> {
  /** In the order they end. Stops handing out tasks when `done` says so; those that have begun are ended. */
  work(tasks: Iterable<T>, done: (result: R) => 'on' | 'enough'): Promise<void>
}

/** What a thread says: that it is there, or what came of its task. */
export type Word<R> = { readonly result: R } | { readonly failure: string } | 'ready'

/**
 * Tasks until a thread is replaced. Node keeps a signal made of others (`AbortSignal.any`) until one of those aborts, and what belongs to a process that
 * was killed in the simulation never does.
 */
const OLD = 300

export function createCrew<T, R>(jobs: number, file: URL): Crew<T, R> {
  return {
    async work(tasks, done) {
      const queue = tasks[Symbol.iterator]()
      let enough = false
      const hand = (): { task: T } | null => {
        if (enough) return null
        const { done: over, value } = queue.next()
        return over ? null : { task: value }
      }
      /** One thread, until it is old or there is nothing more to do; whether there is. */
      const shift = () =>
        new Promise<boolean>((resolve, reject) => {
          const worker = new Worker(file)
          const leave = (more: boolean) => void worker.terminate().then(() => resolve(more))
          let handed = 0
          const next = () => {
            if (handed++ === OLD) return leave(true)
            const task = hand()
            if (task) worker.postMessage(task)
            else leave(false)
          }
          worker.on('message', (word: Word<R>) => {
            if (word === 'ready') return next()
            if ('failure' in word) {
              enough = true
              void worker.terminate()
              return reject(new Error(word.failure))
            }
            if (done(word.result) === 'enough') enough = true
            next()
          })
          worker.on('error', reject)
        })
      const one = async () => {
        while (await shift());
      }
      await Promise.all(Array.from({ length: jobs }, one))
    },
  }
}
