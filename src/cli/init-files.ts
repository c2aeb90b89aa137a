import type { Vendor } from '../../schemas/common.ts'
import type { StarterOption } from '../../schemas/vendor/starter.ts'

/** The texts of the files that `orderwire init` writes. */

/** The real shop that a person or the flags named. */
export interface Chosen {
  readonly vendor: Vendor
  readonly values: readonly { readonly option: StarterOption; readonly value: string }[]
}

export const SANDBOX_CONFIGURATION = `import { defineConfig } from 'orderwire'

/** Three simulated shops on this machine. For your own shop replace the connections and delete \`sandbox\`. */
export default defineConfig({
  sandbox: { port: 8790 },
  connections: [
    {
      id: 'kk',
      vendor: 'kakaclo',
      baseUrl: 'http://127.0.0.1:8790/kakaclo/openapi',
      apiVersion: 'v2',
      token: 'sandbox-kakaclo-token',
      pollEvery: '1s',
    },
    {
      id: 'tuya',
      vendor: 'tuya',
      baseUrl: 'http://127.0.0.1:8790/tuya',
      clientId: 'sandbox-tuya-id',
      clientSecret: 'sandbox-tuya-secret',
      mallCode: 'sandbox-mall',
      shopCode: 'sandbox-shop',
      statuses: { delivered: ['received'] },
      pollEvery: '2s',
    },
    {
      id: 'shop',
      vendor: 'shoplazza',
      baseUrl: 'http://127.0.0.1:8790/shoplazza/openapi/2022-01',
      accessToken: 'sandbox-shoplazza-token',
      webhookSecret: 'sandbox-shoplazza-secret',
      pollEvery: '1s',
    },
  ],
  // Webhook endpoints may be on this machine while you try things out. Delete this in production.
  network: { allow: ['127.0.0.0/8', '::1/128'] },
})
`

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
