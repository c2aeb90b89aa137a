/**
 * JSON as a tree that can say what `JSON.stringify` cannot: numbers as they are written (`1e400`, `9.3200`), members given twice,
 * and pieces of text that are no JSON at all.
 */
export type Tree =
  | { readonly kind: 'raw'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'object'; readonly members: readonly Member[] }

type Member = readonly [name: string, value: Tree]

export const raw = (text: string): Tree => ({ kind: 'raw', text })
export const string = (value: string): Tree => ({ kind: 'string', value })
export const list = (...items: readonly Tree[]): Tree => ({ kind: 'list', items })
export const object = (members: Readonly<Record<string, Tree>>): Tree => ({
  kind: 'object',
  members: Object.entries(members),
})

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown

/** Of a JSON text; numbers keep their digits. */
export function treeOf(text: string): Tree {
  const build: Reviver = (_key, value, { source }) => {
    if (typeof value === 'string') return string(value)
    if (Array.isArray(value)) return list(...value)
    if (typeof value === 'object' && value !== null) return object(value as Record<string, Tree>)
    return raw(source ?? String(value))
  }
  return JSON.parse(text, build as (key: string, value: unknown) => unknown)
}

export function textOf(tree: Tree): string {
  switch (tree.kind) {
    case 'raw':
      return tree.text
    case 'string':
      return JSON.stringify(tree.value)
    case 'list':
      return `[${tree.items.map(textOf).join(',')}]`
    case 'object':
      return `{${tree.members.map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`).join(',')}}`
  }
}

/** Where something is: names of members and numbers of elements. */
export type Path = readonly (string | number)[]

/** All places of a tree but its root, the outer ones first. */
export function pathsOf(tree: Tree, at: Path = []): Path[] {
  const children: (readonly [string | number, Tree])[] =
    tree.kind === 'list' ? [...tree.items.entries()] : tree.kind === 'object' ? [...tree.members] : []
  return children.flatMap(([key, child]) => [[...at, key], ...pathsOf(child, [...at, key])])
}

export function at(tree: Tree, path: Path): Tree | undefined {
  const [key, ...rest] = path
  if (key === undefined) return tree
  const child =
    tree.kind === 'list' && typeof key === 'number'
      ? tree.items[key]
      : tree.kind === 'object'
        ? tree.members.findLast(([name]) => name === key)?.[1]
        : undefined
  return child && at(child, rest)
}

/** The tree with another list of things where this one was: none deletes it, two double it. Names may be changed in passing. */
export function replaced(
  tree: Tree,
  path: Path,
  by: (found: Tree, key: string | number) => readonly (readonly [string | number, Tree])[],
): Tree {
  const [key, ...rest] = path
  if (key === undefined) return tree
  const change = (child: Tree): readonly (readonly [string | number, Tree])[] =>
    rest.length === 0 ? by(child, key) : [[key, replaced(child, rest, by)]]
  if (tree.kind === 'list')
    return list(
      ...tree.items.flatMap((item, index) => (index === key ? change(item).map(([, value]) => value) : [item])),
    )
  if (tree.kind === 'object')
    return {
      kind: 'object',
      members: tree.members.flatMap(member =>
        member[0] === key ? change(member[1]).map(([name, value]) => [String(name), value] as const) : [member],
      ),
    }
  return tree
}

export const withValue = (tree: Tree, path: Path, value: Tree): Tree => replaced(tree, path, (_, key) => [[key, value]])

/** Every word and number in the tree: what it states. Names of members are not among them. */
export function leavesOf(tree: Tree): readonly Exclude<Tree, { kind: 'list' | 'object' }>[] {
  const found: Exclude<Tree, { kind: 'list' | 'object' }>[] = []
  const open: Tree[] = [tree]
  for (let one = open.pop(); one; one = open.pop()) {
    if (one.kind === 'list') open.push(...one.items)
    else if (one.kind === 'object') open.push(...one.members.map(([, value]) => value))
    else found.push(one)
  }
  return found
}
