import { readSettings } from '../../config/environment.ts'
import type { Command } from '../command.ts'
import { loadedConfig } from '../server.ts'

export const checkCommand: Command = {
  name: 'check',
  summary: 'check the configuration and reach everything it names',
  examples: ['check', 'check --config shops.config.ts --json'],
  async action(invocation) {
    const { env, output, signal } = invocation
    const [{ check }, loaded] = await Promise.all([import('../check.ts'), loadedConfig(invocation)])
    await check({ loaded, settings: readSettings(env), output, signal })
  },
}
