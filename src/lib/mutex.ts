/** Runs what it is given one after another, in the order asked. */
export function createMutex(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return run => {
    const result = last.then(run, run)
    last = result.catch(() => {})
    return result
  }
}
