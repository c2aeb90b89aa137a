import type { Log } from '../../telemetry/log.ts'

/** Warns of times without a zone, which are read as UTC (case 35). Once for each field, because every order has them. */
export function createZonelessWarning(log: Pick<Log, 'warn'> | undefined): (paths: readonly string[]) => void {
  const warned = new Set<string>()
  return paths => {
    for (const path of paths) {
      const field = path.replace(/\[\d+\]/g, '[]')
      if (warned.has(field)) continue
      warned.add(field)
      log?.warn({ field }, 'a time without a zone is read as UTC')
    }
  }
}
