import fc from 'fast-check'
import { list, object, type Path, pathsOf, raw, replaced, string, type Tree } from './tree.ts'

/** What a vendor, or a proxy before it, might send in place of what its documents say. */

const NUMBERS = [
  '0',
  '-0',
  '1',
  '-5',
  '1.5',
  '1e400',
  '-1e400',
  '1e-400',
  '1E5',
  '1e21',
  '9007199254740993',
  '9223372036854775808',
  '12345678901234567890',
  '4503599627370496.1',
  '1234567890.00000001',
  '0.1234567890123456789',
  '123456789012345678901e-2',
  '12345678901234567e3',
  '20220901',
  '1700000000',
  '1700000000000',
  `1${'0'.repeat(400)}`,
]

const STRINGS = [
  '',
  ' ',
  'NULL',
  'null',
  'undefined',
  'NaN',
  'Infinity',
  '-1',
  '+5',
  '.5',
  '5.',
  '9,99',
  '1_000',
  '1e5',
  '1e400',
  '0x10',
  '９.９９',
  ' 9.99 ',
  '00009.99',
  '12345678901234567890',
  '0.12345678901234567890',
  '.',
  '..',
  '../../../v1/users',
  'a/b?c#d%2e',
  'a\0b',
  '\ud800',
  'x\udc00y',
  '\ufffd1',
  '\u202egnirts',
  '\ufeff',
  '😀',
  'é'.repeat(300),
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'paid',
  'refunded',
  'completed',
  'cancelled',
  '2026-02-30T00:00:00Z',
  '2026-03-02 10:15:30',
  '2026-03-02T10:15:30.123456789+05:30',
  '20220901',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59-18:00',
  '1700000000',
  'line\r\nbreak',
  '<script>alert(1)</script>',
]

/** So that a failure does not print all of it. */
const large = (what: string, tree: Tree): Tree => Object.assign(tree, { [fc.toStringMethod]: () => what })

const LARGE: readonly Tree[] = [
  large('1 MB of x', string('x'.repeat(1_000_000))),
  large('blanks and an x', string(`${' '.repeat(300_000)}x`)),
  large('many nines as text', string('9'.repeat(100_000))),
  large('many hard blanks', string('\u00a0'.repeat(100_000))),
  large('many nines', raw('9'.repeat(100_000))),
  large('deep lists', raw(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)),
  large('deep objects', raw(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)),
  large('many ones', raw(`[${'1,'.repeat(200_000)}1]`)),
  large('many objects', raw(`[${'{},'.repeat(100_000)}{}]`)),
]

const CONTAINERS: readonly Tree[] = [
  list(),
  object({}),
  list(list()),
  list(raw('null')),
  object({ toString: raw('1'), valueOf: raw('1'), length: raw('3') }),
  object({ '0': raw('1'), length: raw('1') }),
  raw('{"__proto__":{"status":"paid","id":"7"},"constructor":{"prototype":{}}}'),
]

const rare = <T>(values: readonly T[]) => ({ weight: 1, arbitrary: fc.constantFrom(...values) })

/** Something in place of what was there. */
export const anything: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NUMBERS).map(raw) },
  { weight: 10, arbitrary: fc.constantFrom(...STRINGS).map(string) },
  { weight: 3, arbitrary: fc.constantFrom('null', 'true', 'false').map(raw) },
  { weight: 3, arbitrary: fc.constantFrom(...CONTAINERS) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map(string) },
  {
    weight: 3,
    arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => raw(JSON.stringify(value))),
  },
  { weight: 2, arbitrary: fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(value => raw(String(value))) },
  rare(LARGE),
)

/** Nothing that any reader could take for a value of any kind; and not nothing either. */
export const unreadable: fc.Arbitrary<Tree> = fc.constantFrom(
  object({ x: raw('1') }),
  list(raw('1')),
  list(object({})),
  object({ toString: raw('1'), valueOf: raw('1') }),
  object({ length: raw('1') }),
)

type Change = (value: Tree) => (found: Tree, key: string | number) => readonly (readonly [string | number, Tree])[]

const CHANGES: Readonly<Record<string, Change>> = {
  replace: value => (_, key) => [[key, value]],
  remove: () => () => [],
  'double, the other last': value => (found, key) => [
    [key, found],
    [key, value],
  ],
  'double, the other first': value => (found, key) => [
    [key, value],
    [key, found],
  ],
  'double as it is': () => (found, key) => [
    [key, found],
    [key, found],
  ],
  rename: () => (found, key) => [[typeof key === 'string' ? key.toUpperCase() : key, found]],
  'rename to __proto__': () => (found, key) => [[typeof key === 'string' ? '__proto__' : key, found]],
  'wrap in a list': () => (found, key) => [[key, list(found)]],
  'wrap in an object': () => (found, key) => [[key, object({ [String(key)]: found, id: string('i'), data: found })]],
  'take the first': () => (found, key) => [
    [
      key,
      found.kind === 'list'
        ? (found.items[0] ?? found)
        : found.kind === 'object'
          ? (found.members[0]?.[1] ?? found)
          : found,
    ],
  ],
  'swap list and object': () => (found, key) => [
    [
      key,
      found.kind === 'list'
        ? { kind: 'object', members: found.items.map((item, index) => [String(index), item] as const) }
        : found.kind === 'object'
          ? list(...found.members.map(([, member]) => member))
          : found,
    ],
  ],
  'number as text and back': () => (found, key) => [
    [
      key,
      found.kind === 'raw'
        ? string(found.text)
        : found.kind === 'string' && /^\d+(\.\d+)?$/.test(found.value) && !/^0\d/.test(found.value)
          ? raw(found.value)
          : found,
    ],
  ],
  repeat: () => (found, key) => [
    [key, found.kind === 'list' ? list(...Array.from({ length: 40 }, () => found.items).flat()) : found],
  ],
  'members in another order': () => (found, key) => [
    [key, found.kind === 'object' ? { kind: 'object', members: found.members.toReversed() } : found],
  ],
}

export interface Mutation {
  readonly change: string
  readonly place: number
  readonly value: Tree
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  change: fc.oneof(
    { weight: 2, arbitrary: fc.constant('replace') },
    { weight: 3, arbitrary: fc.constantFrom(...Object.keys(CHANGES)) },
  ),
  place: fc.nat(1_000),
  value: anything,
})

/** One to three changes, at places that `where` lets pass. */
export const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 })

export function mutated(tree: Tree, changes: readonly Mutation[], where: (path: Path) => boolean = () => true): Tree {
  return changes.reduce((result, { change, place, value }) => {
    const paths = pathsOf(result).filter(where).slice(0, 1_000)
    const path = paths[place % Math.max(1, paths.length)]
    const by = CHANGES[change]
    return path && by ? replaced(result, path, by(value)) : result
  }, tree)
}
