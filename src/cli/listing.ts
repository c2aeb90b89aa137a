import { z } from 'zod'
import type { CommandContext, Flags } from './command.ts'

type Listing = Pick<CommandContext, 'client' | 'signal'>

const PAGE = 250

const List = z.object({ data: z.array(z.unknown()), next: z.string().nullable() })

/** Query string of the flags that are set; repeated ones repeat. */
export function query(values: Flags): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== false) search.append(name, String(one))
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

/** All rows of a listing, page by page; ends early where nobody reads them any more. */
export async function* all({ client, signal }: Listing, path: string, filter: Flags = {}): AsyncGenerator<unknown> {
  for (let after: string | undefined; !signal.aborted; ) {
    const { data, next } = client.read(List, await client.call('GET', path + query({ ...filter, limit: PAGE, after })))
    yield* data
    if (next === null) return
    after = next
  }
}

/** An id as a part of a path. */
export const segment = (text: string): string => encodeURIComponent(text)
