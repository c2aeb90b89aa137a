/** What to call when a signal aborts, behind one listener of the signal. */
const calls = new WeakMap<AbortSignal, { readonly set: Set<() => void>; readonly tell: () => void }>()

/**
 * Calls `call` when the signal aborts. Returns how to forget it. A signal keeps its listeners in a list that it walks whenever one is
 * added or removed, which is slow for a signal that hundreds of deliveries share.
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let waiting = calls.get(signal)
  if (!waiting) {
    const set = new Set<() => void>()
    const tell = () => {
      for (const one of set) one()
    }
    waiting = { set, tell }
    calls.set(signal, waiting)
    signal.addEventListener('abort', tell, { once: true })
  }
  const { set, tell } = waiting
  set.add(call)
  return () => {
    set.delete(call)
    if (set.size > 0 || calls.get(signal)?.set !== set) return
    calls.delete(signal)
    signal.removeEventListener('abort', tell)
  }
}
