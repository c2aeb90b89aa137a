import type { ConfigInput } from '../schemas/config.ts'

/** Types a configuration written in TypeScript: `export default defineConfig({ connections: [...] })`. */
export const defineConfig = (config: ConfigInput): ConfigInput => config
