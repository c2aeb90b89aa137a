/** A scripted fault of a simulated vendor. Members combine: a delayed, truncated answer is one fault. */
export interface Fault {
  /** Part of `METHOD /path?query`; absent: any request. */
  readonly match?: string
  /** How many matching requests to let pass first; default 0. */
  readonly after?: number
  /** How many matching requests it meets; default 1. */
  readonly times?: number
  /** Answers with this status instead of the real answer. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown
  readonly delayMs?: number
  /** Closes the connection without an answer. */
  readonly reset?: boolean
  /** Sends only so many bytes of the answer, then closes the connection. */
  readonly truncate?: number
  /** Merged over the JSON of the real answer, member by member. */
  readonly merge?: Readonly<Record<string, unknown>>
  /** Runs when the fault meets a request; in process only. */
  readonly run?: () => void
}

export interface Faults {
  add(fault: Fault): void
  clear(): void
  /** How many faults still wait for a request. */
  waiting(): number
  /** The fault for this request, if any; the first one scripted wins. */
  meet(request: string): Fault | null
}

export function createFaults(): Faults {
  let scripted: { fault: Fault; pass: number; left: number }[] = []
  return {
    add(fault) {
      scripted.push({ fault, pass: fault.after ?? 0, left: fault.times ?? 1 })
    },
    clear() {
      scripted = []
    },
    waiting: () => scripted.length,
    meet(request) {
      for (const entry of scripted) {
        if (entry.fault.match !== undefined && !request.includes(entry.fault.match)) continue
        if (entry.pass > 0) {
          entry.pass -= 1
          continue
        }
        entry.left -= 1
        if (entry.left <= 0) scripted = scripted.filter(other => other !== entry)
        return entry.fault
      }
      return null
    },
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Merges `over` into `base`: objects member by member, everything else is replaced. */
export function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(over)) merged[name] = merge(base[name], value)
  return merged
}
