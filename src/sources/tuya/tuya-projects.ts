import { hash } from 'node:crypto'
import type { Connection, RateLimit, TuyaConnection } from '../../../schemas/config.ts'

/** Connections of one Tuya project: the same base URL, client id and secret. They share one token and one pace. */
export interface VendorProject {
  /** A digest: neither id nor secret can be read from it. */
  readonly id: string
  readonly connections: number
  /** The strictest of its connections. */
  readonly limit: RateLimit
}

export const projectIdOf = ({ baseUrl, clientId, clientSecret }: TuyaConnection): string =>
  hash('sha256', JSON.stringify([baseUrl.replace(/\/+$/, ''), clientId, clientSecret]), 'base64url')

/** By id. `limit`: of connections that set none. */
export function vendorProjects(
  connections: readonly Connection[],
  limit: RateLimit,
): ReadonlyMap<string, VendorProject> {
  const tuya = connections.flatMap(each => (each.vendor === 'tuya' && each.enabled ? [each] : []))
  return new Map(
    [...Map.groupBy(tuya, projectIdOf)].map(([id, group]) => {
      const limits = group.map(({ rateLimit }) => rateLimit ?? limit)
      const strictest = {
        perSecond: Math.min(...limits.map(({ perSecond }) => perSecond)),
        burst: Math.min(...limits.map(({ burst }) => burst)),
      }
      return [id, { id, connections: group.length, limit: strictest }]
    }),
  )
}
