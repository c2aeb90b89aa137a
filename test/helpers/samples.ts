import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** The code blocks of a document whose first line names their file (`// acme.ts`), by that name. */
export async function samplesIn(document: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const blocks = [...text.matchAll(/^```[a-z]+\n(?:\/\/|#) ([\w./-]+\.\w+)\n([\s\S]*?)^```$/gm)]
  return new Map(blocks.map(([, name = '', code = '']) => [name, code]))
}
