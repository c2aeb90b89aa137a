import type { ConfigInput, ConnectionInput } from '../../schemas/config.ts'
import type { SourceSchema } from '../../schemas/connection.ts'
import { AppError } from '../lib/errors.ts'

/** How a connection to the vendor of a source is written. */
type InputOf<S> = S extends { readonly input?: infer Input } ? NonNullable<Input> : never

/** Types a configuration written in TypeScript: `export default defineConfig({ connections: [...] })`, and what its `sources` add. */
export const defineConfig = <const S extends readonly SourceSchema[] = readonly []>(
  config: Omit<ConfigInput, 'sources' | 'connections'> & {
    readonly sources?: S
    readonly connections?: readonly (ConnectionInput | InputOf<S[number]>)[]
  },
): object => config

/** The value of an environment variable, for secrets in a configuration. Throws an error that names the variable where it is not set. */
export function fromEnvironment(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new AppError(`The environment variable ${name} is not set: set it, or put it into the file .env.`, {
    code: 'config.unset',
    intent: 'fix',
  })
}
