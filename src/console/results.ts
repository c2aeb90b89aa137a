import { digestOf, newSessionId, type Viewer } from './sessions.ts'

/** More would be memory spent on what nobody looks at any more. */
const MOST = 200

interface Kept<T> {
  readonly owner: string
  readonly value: T
}

/** Answers that are too large for a message, such as what a test sent and got. Kept in memory for the session that asked; the oldest go first. */
export interface Results<T> {
  /** The name under which `get` finds it. */
  put(viewer: Viewer, value: T): string
  /** null: there is none, or it is another session's. */
  get(viewer: Viewer, name: string): T | null
  /** The same, once. */
  take(viewer: Viewer, name: string): T | null
}

export function createResults<T>(): Results<T> {
  const kept = new Map<string, Kept<T>>()
  const ownerOf = ({ id }: Viewer) => digestOf(`result\n${id}`)

  function get(viewer: Viewer, name: string): T | null {
    const found = kept.get(name)
    return found && found.owner === ownerOf(viewer) ? found.value : null
  }

  return {
    put(viewer, value) {
      const name = newSessionId()
      kept.set(name, { owner: ownerOf(viewer), value })
      for (const oldest of kept.keys()) {
        if (kept.size <= MOST) break
        kept.delete(oldest)
      }
      return name
    },
    get,
    take(viewer, name) {
      const value = get(viewer, name)
      if (value !== null) kept.delete(name)
      return value
    },
  }
}
