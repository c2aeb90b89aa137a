import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds of one tick of `/proc/*\/stat` (`getconf CLK_TCK` is 100 on every Linux). */
const TICK_MS = 10

interface Row {
  readonly name: string
  readonly parent: number
  readonly ticks: number
}

function rowOf(pid: string): Row | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name may contain spaces; the fields behind it are numbers.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // User and system time, its own and that of children that have ended.
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { name, parent: Number(fields[1]), ticks: [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) }
  } catch {
    return null
  }
}

/** Milliseconds of CPU that the child processes of this one have used, by their names (`java`, `postgres`), except those of `without`. */
export function cpuOfChildren(without: readonly number[] = []): ReadonlyMap<string, number> {
  const rows = new Map<number, Row>()
  for (const name of readdirSync('/proc')) {
    const row = /^\d+$/.test(name) ? rowOf(name) : null
    if (row) rows.set(Number(name), row)
  }
  const used = new Map<string, number>()
  for (const [pid, row] of rows) {
    let at = pid
    while (at > 1 && at !== process.pid && !without.includes(at)) at = rows.get(at)?.parent ?? 0
    if (at === process.pid && pid !== process.pid) used.set(row.name, (used.get(row.name) ?? 0) + row.ticks * TICK_MS)
  }
  return used
}
