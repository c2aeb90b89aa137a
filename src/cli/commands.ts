import type { Command } from './command.ts'

/** Every command, in the order of the help. A command's file is loaded only if it runs, so that each starts fast. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./commands/init.ts')).initCommand,
  start: async () => (await import('./commands/start.ts')).startCommand,
  check: async () => (await import('./commands/check.ts')).checkCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  connections: async () => (await import('./commands/connections.ts')).connectionsCommand,
  poll: async () => (await import('./commands/poll.ts')).pollCommand,
  backfill: async () => (await import('./commands/backfill.ts')).backfillCommand,
  quarantine: async () => (await import('./commands/quarantine.ts')).quarantineCommand,
  orders: async () => (await import('./commands/orders.ts')).ordersCommand,
  events: async () => (await import('./commands/events.ts')).eventsCommand,
  listen: async () => (await import('./commands/listen.ts')).listenCommand,
  destinations: async () => (await import('./commands/destinations.ts')).destinationsCommand,
  endpoints: async () => (await import('./commands/endpoints.ts')).endpointsCommand,
  deliveries: async () => (await import('./commands/deliveries.ts')).deliveriesCommand,
  'dead-letters': async () => (await import('./commands/dead-letters.ts')).deadLettersCommand,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  republish: async () => (await import('./commands/republish.ts')).republishCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  backup: async () => (await import('./commands/backup.ts')).backupCommand,
  keys: async () => (await import('./commands/keys.ts')).keysCommand,
  schemas: async () => (await import('./commands/schemas.ts')).schemasCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
}

export const allCommands = (): Promise<Command[]> => Promise.all(Object.values(COMMANDS).map(load => load()))

/** The first word that is neither an option nor the value of `--config`; options may stand before the command. */
export const commandNameOf = (argv: readonly string[]): string | undefined =>
  argv.find((word, index) => !word.startsWith('-') && argv[index - 1] !== '--config')
