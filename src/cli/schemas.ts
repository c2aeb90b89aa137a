import { writeSchemas } from '../api/documents/write-schemas.ts'
import { createConsole } from '../console/page.ts'
import type { Output } from './output.ts'

/** Writes the generated schema files; prints what it wrote. */
export async function schemas(output: Output, folder = 'schemas/generated'): Promise<void> {
  for (const file of await writeSchemas(folder, createConsole())) output.item({ file }, file)
}
