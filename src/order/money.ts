/** Exact arithmetic on amounts: decimal strings in, decimal strings out, never a float. */

interface Decimal {
  readonly units: bigint
  readonly digits: number
}

function decimal(amount: string): Decimal {
  const [whole = '0', fraction = ''] = amount.split('.')
  return { units: BigInt(whole + fraction), digits: fraction.length }
}

/** Both amounts in units of the finer one. */
function aligned(a: string, b: string): { left: bigint; right: bigint; digits: number } {
  const [x, y] = [decimal(a), decimal(b)]
  const digits = Math.max(x.digits, y.digits)
  return {
    left: x.units * 10n ** BigInt(digits - x.digits),
    right: y.units * 10n ** BigInt(digits - y.digits),
    digits,
  }
}

function text(units: bigint, digits: number): string {
  const padded = units.toString().padStart(digits + 1, '0')
  return digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`
}

/** Negative, 0 or positive, as `a` is less than, equal to or greater than `b`. */
export function compareAmounts(a: string, b: string): number {
  const { left, right } = aligned(a, b)
  return left < right ? -1 : left > right ? 1 : 0
}

export function addAmounts(a: string, b: string): string {
  const { left, right, digits } = aligned(a, b)
  return text(left + right, digits)
}

/** `a - b`; `a` must not be less than `b`. */
export function subtractAmounts(a: string, b: string): string {
  const { left, right, digits } = aligned(a, b)
  return text(left - right, digits)
}
