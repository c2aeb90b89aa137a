/** One holder a name at a time, in the order they asked. A turn is given back by calling what was given. */
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
