import type { Config } from '../../schemas/config.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../telemetry/log.ts'
import { isSource } from './define-source.ts'

/**
 * With `sandbox` in the configuration: starts the simulators that its `sources` bring, one for each enabled connection, and points the
 * connections at them.
 */
export async function startSimulators(
  config: Config,
  log: Pick<Log, 'info'>,
): Promise<{ readonly config: Config; close(): Promise<void> }> {
  const running: { close(): Promise<unknown> }[] = []
  const close = async () => {
    await Promise.all(running.map(each => each.close()))
  }
  if (!config.sandbox) return { config, close }
  const { speed } = config.sandbox
  const simulators = new Map(config.sources.filter(isSource).map(source => [source.vendor, source.simulator]))
  const connections: Config['connections'] = []
  for (const connection of config.connections) {
    const simulator = connection.enabled ? simulators.get(connection.vendor) : null
    if (!simulator) {
      connections.push(connection)
      continue
    }
    try {
      const simulated = await simulator(connection, { speed })
      running.push(simulated)
      connections.push({ ...connection, baseUrl: simulated.baseUrl })
      log.info({ connection: connection.id, url: simulated.baseUrl }, 'sandbox: the vendor is simulated here')
    } catch (error) {
      await close()
      throw new AppError(
        `The simulator of the connection "${connection.id}" (${connection.vendor}) cannot be started: ${messageOf(error)} Mend it, or remove \`sandbox\` from the configuration.`,
        { code: 'sandbox.simulator', intent: 'fix', cause: error },
      )
    }
  }
  return { config: { ...config, connections }, close }
}
