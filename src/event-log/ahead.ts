import { z } from 'zod'

/**
 * What each destination has done of a partition beyond the committed offset: delivered, in the backlog, or not wanted. One slow delivery
 * keeps the offset back; the next reader uses this to repeat only the open events. Nothing is done for a destination that is not listed.
 */
export interface Ahead {
  /** The last position that is described. */
  readonly through: number
  readonly destinations: ReadonlyMap<string, Coverage>
}

interface Coverage {
  /** Positions up to this one are not described. */
  readonly after: number
  /** The positions between `after` and `through` that are not done. */
  readonly open: ReadonlySet<number>
}

export const isDone = ({ through, destinations }: Ahead, destination: string, position: number): boolean => {
  const coverage = destinations.get(destination)
  return coverage !== undefined && position <= through && position > coverage.after && !coverage.open.has(position)
}

/** Positions are written as distances, so a thousand neighbours take two kilobytes. */
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

/** null: there is none, or it cannot be read. Then its events are delivered again. */
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
