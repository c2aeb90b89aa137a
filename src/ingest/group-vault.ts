import type { Clock } from '../lib/clock.ts'
import type { LeaseStore } from '../store/port/leases.ts'
import type { ProjectStore } from '../store/port/projects.ts'

interface Deps {
  readonly store: { readonly projects: ProjectStore; readonly leases: LeaseStore }
  /** Other processes work on the same store. */
  readonly shared: boolean
  readonly box: { seal(text: string): string; open(sealed: string): string }
  readonly owner: string
  readonly clock: Clock
}

const CLAIM_MS = 35_000

/** What connections of one group share between processes: a text (a token), encrypted, and the pace of their requests. */
export function sharedBetweenProcesses(deps: Deps) {
  const { store, shared, clock } = deps
  const book = (group: string, limit: { perSecond: number; burst: number }) =>
    store.projects.book(group, { intervalMs: 1000 / limit.perSecond, burst: limit.burst }, clock.now())
  return { vault: (group: string) => createVault(deps, group), ...(shared && { book }) }
}

function createVault({ store: { projects, leases }, box, owner, clock }: Deps, project: string) {
  const name = `token:${project}`
  return {
    async read() {
      const row = await projects.token(project)
      if (!row) return null
      // Sealed under another key: of no use, and replaced by the next token.
      return { text: opened(box, row.sealed) ?? '', version: row.version }
    },
    write: (text: string, version: number) => projects.putToken(project, box.seal(text), version),
    async claim() {
      const lease = await leases.acquire(name, owner, CLAIM_MS, clock.now())
      if (!lease) return null
      return {
        extend: () => leases.renew(lease, CLAIM_MS, clock.now()),
        release: () => leases.release(lease),
      }
    },
  }
}

function opened(box: { open(sealed: string): string }, sealed: string): string | null {
  try {
    return box.open(sealed)
  } catch {
    return null
  }
}
