import type { Client } from './client.ts'
import type { Output } from './output.ts'

/** The values of the options given, by their names in camel case; a list where an option may repeat. */
export type Flags = Readonly<Record<string, string | boolean | number | readonly string[] | undefined>>

/** What one run of a command gets. */
export interface Invocation {
  readonly args: readonly string[]
  readonly flags: Flags
  readonly output: Output
  readonly env: NodeJS.ProcessEnv
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** Every command, for completions. */
  readonly allCommands: () => Promise<readonly Command[]>
}

/** What commands that read or change state get: they call the HTTP API. */
export interface CommandContext {
  readonly client: Client
  readonly output: Output
  readonly signal: AbortSignal
  /** Shows how far long work is, on a terminal only. */
  progress(text: string): void
  /** Asks a person; true where nobody can be asked. */
  confirm(question: string): Promise<boolean>
}

export interface CommandOption {
  /** As commander writes it: `--since <when>`. */
  readonly flags: string
  readonly text: string
  /** Turns the text into the value, or throws a usage error; `before` holds the values of an option that may repeat. */
  readonly parse?: (text: string, before: readonly string[] | undefined) => string | number | readonly string[]
}

/** One command, declared once: the parser, the help and the completion are made from it. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** As commander writes them: `<connection>`, `[id...]`. */
  readonly args?: string
  readonly options?: readonly CommandOption[]
  /** Command lines without `orderwire`. */
  readonly examples?: readonly string[]
  /** The options of every command that this one does not take. */
  readonly without?: readonly ('json' | 'config')[]
  readonly commands?: readonly Command[]
  action?(invocation: Invocation): Promise<void>
}
