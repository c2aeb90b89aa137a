import type { StarterOption } from '../../schemas/vendor/starter.ts'

/** The texts of the files that `orderwire init` writes. */

/** The real shop that a person or the flags named. */
export interface Chosen {
  readonly vendor: string
  readonly values: readonly { readonly option: StarterOption; readonly value: string }[]
}

/** The configuration of one real shop; its secrets come from the environment. */
export function configurationOf({ vendor, values }: Chosen): string {
  const lines = values.map(({ option, value }) => {
    const text = option.variable === null ? quoted(value) : `fromEnvironment(${quoted(option.variable)})`
    return `      ${option.key}: ${text},`
  })
  return `import { defineConfig, fromEnvironment } from 'orderwire'

export default defineConfig({
  connections: [
    {
      id: ${quoted(vendor)},
      vendor: ${quoted(vendor)},
${lines.join('\n')}
    },
  ],
})
`
}

const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`

export const HANDLER = `import { defineHandler } from 'orderwire'

/** Logs every event. The file's name is the destination's id. Throw to be called again later. */
export default defineHandler({
  on: '*',
  run(event, { log }) {
    const { connection, orderId, orderNumber } = event.data
    log.info(\`\${event.type}  \${connection}  order \${orderNumber ?? orderId}\`)
  },
})
`

export const ENVIRONMENT_EXAMPLE = `# Copy to .env, which is read at the start. Variables that are set already keep their values.
# The embedded store and event log need none of these.
# DATABASE_URL=postgres://user:password@host:5432/orderwire
# KAFKA_BROKERS=host:9092
# ORDERWIRE_API_KEY=
# ORDERWIRE_SECRET_KEY=
`

/** Lines of a \`.env\` file. */
export const environmentOf = (entries: readonly (readonly [name: string, value: string])[]): string =>
  entries.map(([name, value]) => `${name}=${value === '' ? '' : JSON.stringify(value)}\n`).join('')

export const IGNORED = `node_modules/
.orderwire/
.env
`
