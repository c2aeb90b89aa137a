import type { ReadOptions, Window } from '../sources/source.ts'
import type { TakePage } from './read-window.ts'
import { halve, without } from './window.ts'
import type { ReadJob, WindowReader } from './window-reader.ts'

/** The gaps of a connection or a span: windows still to be read beside the polls. Stored, and shrunk as they are read. */
export interface Gaps {
  list(): Promise<readonly Window[]>
  /** Replaces one gap by others. */
  replace(gap: Window, by: readonly Window[]): Promise<void>
}

/** Reads gaps, newest first, until none is left or the signal aborts. A crash costs the reading of one gap, which is read again. */
export async function backfill(
  deps: { reader: WindowReader; gaps: Gaps; lease: ReadJob['lease']; take: TakePage },
  options: ReadOptions,
): Promise<void> {
  const { reader, gaps, lease, take } = deps
  const { precisionMs } = reader
  const job = { lease, take, options }
  while (!options.signal.aborted) {
    const [gap] = [...(await gaps.list())].sort((a, b) => b.to - a.to)
    if (!gap) return
    const parts = without(gap, await reader.unreadable(), precisionMs)
    const [first] = parts
    if (parts.length !== 1 || first?.from !== gap.from || first.to !== gap.to) {
      await gaps.replace(gap, parts)
      continue
    }
    const halves = halve(gap, precisionMs)
    if (!halves) await reader.readWindow(gap, job)
    else if ((await reader.readWhole(gap, job)) === 'too-large') {
      await gaps.replace(gap, halves)
      continue
    }
    await gaps.replace(gap, [])
  }
}
