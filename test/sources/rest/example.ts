import { readFileSync } from 'node:fs'
import type { RestConnection } from '../../../schemas/vendor/connections.ts'
import { loadConfig } from '../../../src/config/config-file.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { connectAll } from '../../../src/sources/connect.ts'
import { quietLog } from '../../helpers/quiet.ts'
import { closeAfterTest } from '../loopback.ts'

const root = new URL('../../../', import.meta.url)

/** The connection of a shipped example, as its file says; `changes` fit it to a test. */
export async function exampleConnection(
  name: 'woocommerce' | 'bigcommerce',
  env: Readonly<Record<string, string>>,
  changes: Partial<RestConnection> = {},
): Promise<RestConnection> {
  const { config } = await loadConfig(new URL(`examples/${name}/orderwire.config.json`, root).pathname, { ...env })
  return { ...(config.connections[0] as RestConnection), rateLimit: { perSecond: 1000, burst: 1000 }, ...changes }
}

/** The source of a connection, with its way to the vendor; closed after the test. */
export function connected(config: RestConnection) {
  const [one] = connectAll({ config: { connections: [config], sources: [] }, clock: systemClock(), log: quietLog })
  if (!one) throw new Error('no connection')
  closeAfterTest(() => one.close())
  return one
}

export const fixture = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`test/fixtures/${path}.json`, root), 'utf8'))
