import { compile } from 'json-p3'
import { z } from 'zod'

/** Parts of the description of a JSON API that stand in several places. */

/** Why this is no JSONPath; null: it is one. */
function faultOf(path: string): string | null {
  try {
    compile(path)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const A_PATH = 'a JSONPath (RFC 9535) such as "$.billing.country"'

export const RestPath = z.string({ error: A_PATH }).superRefine((path, context) => {
  const fault = faultOf(path)
  if (fault !== null) context.addIssue({ code: 'custom', message: `${A_PATH} (${fault})` })
})

/** A path that leads to one place at most, so that nothing there is a failure and not an empty list. */
export const RestPlace = RestPath.refine(
  path => faultOf(path) !== null || compile(path).singularQuery(),
  'a JSONPath to one place, such as "$" or "$.data.orders"',
)

/** Several paths: the first that leads to a value counts. */
export const RestPaths = z.union([RestPath, z.array(RestPath).min(1)])
export type RestPaths = z.output<typeof RestPaths>

const QueryValue = z.union([z.string(), z.number()])
export const RestQuery = z.record(z.string().min(1), z.union([QueryValue, z.array(QueryValue)]))
export type RestQuery = z.output<typeof RestQuery>

const isZone = (zone: string): boolean => {
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

export const RestZone = z.string().refine(isZone, 'a time zone such as "UTC", "+08:00" or "Europe/Berlin"')
