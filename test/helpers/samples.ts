import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

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
