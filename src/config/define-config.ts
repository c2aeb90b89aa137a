import type { ConfigInput } from '../../schemas/config.ts'
import { AppError } from '../lib/errors.ts'

/** Types a configuration written in TypeScript: `export default defineConfig({ connections: [...] })`. */
export const defineConfig = (config: ConfigInput): ConfigInput => config

/** The value of an environment variable, for secrets in a configuration. Throws an error that names the variable where it is not set. */
export function fromEnvironment(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new AppError(`The environment variable ${name} is not set: set it, or put it into the file .env.`, {
    code: 'config.unset',
    intent: 'fix',
  })
}
