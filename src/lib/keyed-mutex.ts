/** One holder per name at a time, in the order of the requests. The holder calls the returned function to release it. */
export function createKeyedMutex(): (name: string) => Promise<() => void> {
  const last = new Map<string, Promise<void>>()
  return async name => {
    const before = last.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    last.set(name, promise)
    await before
    return () => {
      if (last.get(name) === promise) last.delete(name)
      resolve()
    }
  }
}
