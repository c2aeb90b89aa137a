import type { Clock } from '../lib/clock.ts'
import type { LeaseStore } from '../store/port/leases.ts'
import type { ProjectStore } from '../store/port/projects.ts'

const CLAIM_MS = 35_000

/** Keeps one project's token in the store, encrypted, for all processes; one of them at a time may renew it. */
export function createTokenVault(deps: {
  project: string
  projects: ProjectStore
  leases: LeaseStore
  box: { seal(text: string): string; open(sealed: string): string }
  owner: string
  clock: Clock
}) {
  const { project, projects, leases, box, owner, clock } = deps
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
