import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Console } from '../deps.ts'
import { allRoutes } from '../routes.ts'
import { asyncApi } from './asyncapi.ts'
import { eventSchema } from './event-schema.ts'
import { eventTypes } from './event-types.ts'
import type { JsonSchema } from './json-schema.ts'
import { openApi } from './openapi.ts'

/** The generated documents as text, by file name. `pages`: the console, whose routes are described too. */
export function generatedFiles(pages: Console): Record<string, string> {
  // Routes are only described here, never called, so they need no real dependencies.
  const described = { config: { connections: [] }, store: {}, console: pages } as unknown as Parameters<
    typeof allRoutes
  >[0]
  const text = (document: JsonSchema) => `${JSON.stringify(document, null, 2)}\n`
  return {
    'openapi.json': text(openApi(allRoutes(described))),
    'asyncapi.json': text(asyncApi()),
    'order-event-1.json': text(eventSchema()),
    'order-event-1.d.ts': eventTypes(),
  }
}

/** Writes the generated documents (`orderwire schemas --out FOLDER`); returns the paths. */
export async function writeSchemas(folder: string, pages: Console): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const written: string[] = []
  for (const [name, text] of Object.entries(generatedFiles(pages))) {
    const path = join(folder, name)
    await writeFile(path, text)
    written.push(path)
  }
  return written
}
