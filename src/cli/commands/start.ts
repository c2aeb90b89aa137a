import type { Role } from '../../api/deps.ts'
import { wrong } from '../../config/config-error.ts'
import { readSettings, type Settings } from '../../config/environment.ts'
import type { Command, Flags } from '../command.ts'
import { loadedConfig, ROLES } from '../server.ts'
import { usage } from '../usage.ts'

export const startCommand: Command = {
  name: 'start',
  summary: 'run until Ctrl-C',
  options: [{ flags: '--roles <roles>', text: `some of ${ROLES.join(',')}; default: all` }],
  examples: ['start', 'start --config shops.config.ts', 'start --roles ingest'],
  without: ['json'],
  async action(invocation) {
    const settings = readSettings(invocation.env)
    const [{ start }, loaded] = await Promise.all([import('../start.ts'), loadedConfig(invocation)])
    await start({ loaded, settings, roles: rolesOf(invocation.flags.roles, settings), signal: invocation.signal })
  },
}

function rolesOf(text: Flags[string], settings: Settings): ReadonlySet<Role> {
  if (typeof text !== 'string') return new Set(ROLES)
  const roles = text.split(',').map(role => {
    const known = ROLES.find(one => one === role.trim())
    if (!known) throw usage(`--roles: expected some of ${ROLES.join(', ')}, separated by commas, found "${role}"`)
    return known
  })
  if (roles.length < ROLES.length && (!settings.kafka || settings.databaseUrl === null)) {
    throw wrong(
      'Roles in separate processes share their work through Kafka and PostgreSQL: set KAFKA_BROKERS and DATABASE_URL, or leave --roles away.',
    )
  }
  return new Set(roles)
}
