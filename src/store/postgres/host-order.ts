import type { Clock } from '../../lib/clock.ts'
import type { DatabaseHost } from '../../lib/database-url.ts'

/** A host that did not answer is tried after the others for this long: each try may cost its whole time limit. */
const LAST_MS = 30_000

/** In which order the hosts of a database are tried. */
export interface HostOrder {
  sorted(hosts: readonly DatabaseHost[]): readonly DatabaseHost[]
  silent(host: DatabaseHost): void
}

export function createHostOrder(clock: Clock): HostOrder {
  const silentUntil = new Map<string, number>()
  const isSilent = ({ place }: DatabaseHost) => (silentUntil.get(place) ?? 0) > clock.monotonic()
  return {
    sorted: hosts => [...hosts.filter(host => !isSilent(host)), ...hosts.filter(isSilent)],
    silent: ({ place }) => void silentUntil.set(place, clock.monotonic() + LAST_MS),
  }
}
