import type { Log } from '../../telemetry/log.ts'

/** Says once for each field that its times name no zone and are read as UTC (case 35): every order has them. */
export function zonelessNotice(log: Pick<Log, 'warn'> | undefined): (paths: readonly string[]) => void {
  const noticed = new Set<string>()
  return paths => {
    for (const found of paths) {
      const field = found.replace(/\[\d+\]/g, '[]')
      if (noticed.has(field)) continue
      noticed.add(field)
      log?.warn({ field }, 'a time without a zone is read as UTC')
    }
  }
}
