import { z } from 'zod'

/**
 * What is done of a partition beyond its settled position, for each destination: delivered, in the backlog, or not wanted. One slow
 * delivery keeps the position back; who reads the partition next goes by this instead of repeating all that was delivered behind it.
 * A destination that is not named here has nothing of it.
 */
export interface Ahead {
  /** The last position this speaks of. */
  readonly through: number
  readonly destinations: ReadonlyMap<string, Coverage>
}

interface Coverage {
  /** Nothing is said of this position and those before it. */
  readonly after: number
  /** What it still waits for, between `after` and `through`. */
  readonly open: ReadonlySet<number>
}

export const isDone = ({ through, destinations }: Ahead, destination: string, position: number): boolean => {
  const coverage = destinations.get(destination)
  return coverage !== undefined && position <= through && position > coverage.after && !coverage.open.has(position)
}

/** Positions are written as distances: a set of a thousand neighbours is two kilobytes. */
const Written = z.object({
  through: z.number(),
  destinations: z.record(z.string(), z.object({ after: z.number(), open: z.array(z.number()) })),
})

export function encodeAhead({ through, destinations }: Ahead): string {
  const written = [...destinations].map(([id, { after, open }]) => {
    let last = after
    const distances = [...open]
      .filter(position => position > after && position <= through)
      .sort((a, b) => a - b)
      .map(position => {
        const distance = position - last
        last = position
        return distance
      })
    return [id, { after, open: distances }] as const
  })
  return JSON.stringify({ through, destinations: Object.fromEntries(written) })
}

/** null: there is none, or it is not understood; then what it spoke of is delivered again. */
export function decodeAhead(text: string | null): Ahead | null {
  const parsed = Written.safeParse(parsedJson(text))
  if (!parsed.success) return null
  const { through, destinations } = parsed.data
  const read = Object.entries(destinations).map(([id, { after, open }]) => {
    let position = after
    return [id, { after, open: new Set(open.map(distance => (position += distance))) }] as const
  })
  return { through, destinations: new Map(read) }
}

function parsedJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}
