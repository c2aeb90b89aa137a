import type { Config } from '../../schemas/config.ts'
import type { Connection } from '../../schemas/connection.ts'
import type { Clock } from '../lib/clock.ts'
import type { FollowStore } from '../store/port/follows.ts'
import type { Log } from '../telemetry/log.ts'
import { SANDBOX_BUYERS } from './lapse.ts'
import type { Sandbox } from './sandbox.ts'

/** With `sandbox` in the configuration the vendors are simulated in this process; if its port is taken, another is found and the base URLs follow. */
export async function withSandbox(
  config: Config,
  clock: Clock,
  log: Log,
): Promise<{ config: Config; sandbox: Sandbox | null }> {
  if (!config.sandbox) return { config, sandbox: null }
  const { createSandbox } = await import('./sandbox.ts')
  const { port, speed } = config.sandbox
  const sandbox = await createSandbox({ port, speed, clock }).catch(() => createSandbox({ port: 0, speed, clock }))
  log.info({ url: sandbox.url }, 'sandbox: the three vendors are simulated here')
  const configured = `http://127.0.0.1:${port}`
  const moved = (connection: Connection): Connection => ({
    ...connection,
    baseUrl: connection.baseUrl.replace(configured, sandbox.url),
  })
  return { config: { ...config, connections: config.connections.map(moved) }, sandbox }
}

/** The simulated Tuya mall lists no orders: its buyers are followed from the start. */
export async function followSandboxBuyers(
  follows: FollowStore,
  connections: readonly Connection[],
  now: number,
): Promise<void> {
  for (const { id, vendor } of connections)
    if (vendor === 'tuya') for (const buyer of SANDBOX_BUYERS) await follows.put(id, 'user', buyer, buyer, now)
}
