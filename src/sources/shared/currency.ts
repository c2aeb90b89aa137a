/** ISO 4217 currencies whose minor digits are not two. */
const MINOR_DIGITS: ReadonlyMap<string, number> = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map(code => [code, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map(code => [code, 3] as const),
  ...'CLF UYW'.split(' ').map(code => [code, 4] as const),
])

/** Minor digits of a currency; two where none is named. */
export const minorDigits = (currency: string | null): number => MINOR_DIGITS.get(currency ?? '') ?? 2

const DECIMAL = /^(\d{1,30})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/

/** At most 15 digits before the point and 4 behind it. */
const PLAIN = /^(?:0|[1-9]\d{0,14})(?:\.(\d{1,4}))?$/

/** The decimal text with exactly the minor digits of the currency, half rounded up; null: not an amount. Computed on digits, never on floats. */
export function exactAmount(text: string, currency: string | null): string | null {
  const digits = minorDigits(currency)
  const plain = PLAIN.exec(text)
  if (plain) {
    // Nearly every amount: digits are added, never rounded.
    const missing = digits - (plain[1]?.length ?? 0)
    if (missing === 0) return text
    if (missing > 0) return `${plain[1] === undefined ? `${text}.` : text}${'0'.repeat(missing)}`
  }
  const match = DECIMAL.exec(text)
  if (!match) return null
  const [, whole = '0', fraction = '', exponent = '0'] = match
  // The value is `scaled` × 10^-places; it is brought to the currency's places.
  const scaled = BigInt(whole + fraction)
  const places = fraction.length - Number(exponent)
  const minor =
    places <= digits ? scaled * 10n ** BigInt(digits - places) : divideHalfUp(scaled, 10n ** BigInt(places - digits))
  const padded = minor.toString().padStart(digits + 1, '0')
  return digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`
}

const divideHalfUp = (dividend: bigint, divisor: bigint): bigint => (dividend * 2n + divisor) / (divisor * 2n)
