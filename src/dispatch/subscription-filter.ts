import type { Condition, EndpointFilter } from '../../schemas/endpoint.ts'
import { compareAmounts } from '../order/money.ts'

const DECIMAL = /^-?\d{1,30}(\.\d{1,30})?$/

/** Compiles a subscription's filter: does a parsed event fulfil all its conditions? */
export function compileFilter(filter: EndpointFilter): (event: unknown) => boolean {
  const checks = Object.entries(filter).map(([path, condition]) => {
    const names = path.split('.')
    const holds = compileCondition(condition)
    return (event: unknown) => holds(memberAt(event, names))
  })
  return event => checks.every(check => check(event))
}

function compileCondition(condition: Condition): (value: unknown) => boolean {
  if (Array.isArray(condition)) {
    const values = new Set<unknown>(condition)
    return value => values.has(value)
  }
  if ('exists' in condition) return value => (value !== undefined && value !== null) === condition.exists
  const { gte, lte } = condition
  return value => {
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text !== 'string' || !DECIMAL.test(text)) return false
    return (
      (gte === undefined || compareAmounts(text, gte) >= 0) && (lte === undefined || compareAmounts(text, lte) <= 0)
    )
  }
}

/** Reads own properties of objects only. */
function memberAt(event: unknown, names: readonly string[]): unknown {
  let value = event
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Reflect.get(value, name)
  }
  return value
}
