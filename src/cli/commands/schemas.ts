import type { Command } from '../command.ts'

export const schemasCommand: Command = {
  name: 'schemas',
  summary: 'write JSON Schema, OpenAPI, AsyncAPI and TypeScript types',
  options: [{ flags: '--out <folder>', text: 'default: schemas/generated' }],
  examples: ['schemas', 'schemas --out ./contract'],
  without: ['config'],
  async action({ flags: { out }, output }) {
    const [{ writeSchemas }, { createConsole }] = await Promise.all([
      import('../../api/documents/write-schemas.ts'),
      import('../../console/console.ts'),
    ])
    const folder = typeof out === 'string' ? out : 'schemas/generated'
    for (const file of await writeSchemas(folder, createConsole())) output.item({ file }, file)
  },
}
