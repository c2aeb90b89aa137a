import type { z } from 'zod'

/** Explains what is wrong with a value: where, what was expected, what was found. Never shows a value that may be secret. */
export interface Complaint {
  readonly path: readonly PropertyKey[]
  readonly expected: string
  readonly found: string
}

/** `origin`: where the value at a path comes from, if nobody wrote it there (an environment variable). Such a value is not shown. */
export function complaintsOf(
  error: z.ZodError,
  input: unknown,
  origin: (path: readonly PropertyKey[], value: unknown) => string | null = () => null,
): Complaint[] {
  return error.issues.flatMap(leavesOf).flatMap(issue => {
    const { path } = issue
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(key => ({
        path: [...path, key],
        expected: 'a known key',
        found: 'an unknown key; remove it or check its spelling',
      }))
    const value = valueAt(input, path)
    const named = issue.code === 'invalid_key' || isAboutItsName(issue)
    const found = named ? quoted(String(path.at(-1))) : (origin(path, value) ?? foundText(issue, value))
    return [{ path, expected: expectation(issue), found }]
  })
}

/** A custom issue of a schema about the key itself, not about its value. */
const isAboutItsName = (issue: z.core.$ZodIssue): boolean => issue.code === 'custom' && issue.params?.about === 'name'

/** Of a union, the issues of the alternative that was meant: it accepts this kind of value, and has faults only inside. */
function leavesOf(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const within = issue.errors.map(errors =>
    errors.map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }) as z.core.$ZodIssue).flatMap(leavesOf),
  )
  const meant = within.find(inner => inner.length > 0 && inner.every(({ path }) => path.length > issue.path.length))
  if (meant) return meant
  const [first] = within.flat()
  return isOwnWording(issue) || !first ? [issue] : [first]
}

export const keyOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (key, part) =>
      typeof part === 'number' ? `${key}[${part}]` : key === '' ? String(part) : `${key}.${String(part)}`,
    '',
  )

/** The value at a path; undefined: none. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (at !== null && typeof at === 'object' ? Reflect.get(at, part) : undefined),
    input,
  )
}

// ── what was expected ────────────────────────────────────────────────────────────────────────────────────────────────────

/** zod's names for kinds of values, in plain words. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

/** Replaces zod's messages, which describe the schema instead of what to write. */
const isOwnWording = ({ message }: { message: string }): boolean =>
  !/^(Invalid|Too (small|big)|Unrecognized)\b/.test(message)

function expectation(issue: z.core.$ZodIssue): string {
  if (isOwnWording(issue)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return KINDS[issue.expected] ?? `a value of type ${issue.expected}`
    case 'invalid_value':
      return oneOf(issue.values)
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${amountOf(issue.origin, issue.minimum)}`
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${amountOf(issue.origin, issue.maximum)}`
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? oneOf(issue.options) : 'another value'
    case 'invalid_key': {
      const [inner] = issue.issues
      return inner ? `a key of ${expectation(inner)}` : 'another key'
    }
    case 'invalid_format':
      return issue.pattern === undefined ? `a value of the form "${issue.format}"` : `a value like ${issue.pattern}`
    default:
      return 'another value'
  }
}

const oneOf = (values: readonly unknown[]): string => values.map(value => JSON.stringify(value)).join(' or ')

const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'entr', map: 'entr', set: 'entr' }

function amountOf(origin: string, size: number | bigint): string {
  const unit = UNITS[origin]
  if (unit === undefined) return String(size)
  if (unit === 'entr') return `${size} ${Number(size) === 1 ? 'entry' : 'entries'}`
  return `${size} ${unit}${Number(size) === 1 ? '' : 's'}`
}

// ── what was found ───────────────────────────────────────────────────────────────────────────────────────────────────────

const SECRET_KEY_NAMES = /token|secret|password|key|headers|clientId/i

function foundText(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  const isCounted = issue.code === 'too_small' || issue.code === 'too_big'
  // The content may be secret.
  if (Array.isArray(value)) return isCounted ? `a list of ${value.length}` : 'a list'
  if (typeof value === 'object') return 'an object'
  if (value === '') return '""'
  // A misplaced value may be a secret that belongs under another key.
  const isMisplaced = issue.code === 'invalid_type' && ['object', 'array', 'record'].includes(issue.expected)
  if (isMisplaced) return `a ${typeof value}`
  if (issue.path.some(part => SECRET_KEY_NAMES.test(String(part))))
    return issue.code === 'invalid_type' ? `a ${typeof value}` : 'something else, which is not shown'
  if (typeof value === 'string') {
    if (/^((baseU|u)rl|proxy)$/.test(String(issue.path.at(-1)))) return quoted(bareUrl(value))
    return issue.code === 'too_big' ? `${quoted(value)} (${value.length} characters)` : quoted(value)
  }
  return ['bigint', 'symbol', 'function'].includes(typeof value) ? `a ${typeof value}` : String(value)
}

const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

/** A URL without its parts that may be secret: user name and password, path, query. */
function bareUrl(url: string): string {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(url) ?? []
  const at = rest.lastIndexOf('@')
  const [host = ''] = rest.slice(at + 1).split(/[/?#\\]/)
  return scheme + (at < 0 ? '' : '…@') + host + (at + 1 + host.length < rest.length ? '/…' : '')
}
