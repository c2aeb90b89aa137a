import { createHash } from 'node:crypto'

/** What happened in a run, in order: a digest of all of it (the same seed must give the same), and its last lines for people. */
export interface Trace {
  note(line: string): void
  digest(): string
  tail(): readonly string[]
}

export function createTrace(now: () => number, { keep = 400, all = false } = {}): Trace {
  const hash = createHash('sha1')
  const lines: string[] = []
  let pending = ''
  return {
    note(text) {
      const line = `${(now() / 1000).toFixed(3).padStart(10)} ${text}`
      pending += line
      if (pending.length > 65_536) {
        hash.update(pending)
        pending = ''
      }
      lines.push(line)
      if (!all && lines.length > keep * 2) lines.splice(0, keep)
    },
    digest: () => hash.copy().update(pending).digest('hex').slice(0, 16),
    tail: () => (all ? lines : lines.slice(-keep)),
  }
}
