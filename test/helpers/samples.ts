import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from './temp.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The code blocks of a document whose first line names their file (`// acme.ts`), by that name. */
export async function samplesIn(document: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const blocks = [...text.matchAll(/^```[a-z]+\n(?:\/\/|#) ([\w./-]+\.\w+)\n([\s\S]*?)^```$/gm)]
  return new Map(blocks.map(([, name = '', code = '']) => [name, code]))
}

/** The first code block of a language that contains a text. */
export async function sampleWith(document: string, language: string, containing: string): Promise<string> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
  const found = blocks.find(([, name, code]) => name === language && code?.includes(containing))?.[2]
  if (found === undefined) throw new Error(`${document} has no ${language} sample with ${JSON.stringify(containing)}`)
  return found
}

/** A folder whose programs find our dependencies, as a project has it. */
export async function sampleFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await temporaryFolder()
  await symlink(join(ROOT, 'node_modules'), join(folder.path, 'node_modules'))
  await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }')
  return folder
}

/** A sample that imports the package, for a program of its own: the package is this repository. */
export const withOwnPackage = (code: string): string =>
  code.replaceAll(/'orderwire(\/\w+)?'/g, (_, part: string = '') => {
    const file = { '': 'src/index.ts', '/receiver': 'src/receiver/receiver.ts', '/events': 'schemas/events.ts' }[part]
    return JSON.stringify(join(ROOT, file ?? ''))
  })
