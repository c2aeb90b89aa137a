import { Command as Commander, CommanderError, Option } from 'commander'
import { VERSION } from '../lib/version.ts'
import type { Command, Flags } from './command.ts'
import { allCommands, COMMANDS, commandNameOf } from './commands.ts'
import { createOutput, type Output } from './output.ts'
import { usage } from './usage.ts'

const TITLE = `orderwire ${VERSION}: polls the order APIs of shops, derives what happened to each order, and publishes each fact once, in order.`
const SETTINGS = 'Settings come from the environment: see README.md.'

export interface CommandLine {
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** Default: standard output. */
  readonly write?: (text: string) => void
}

/** Parses one command line and runs its command; rejects with an AppError that says what is wrong. */
export async function runCommandLine({ argv, env, signal, write }: CommandLine): Promise<void> {
  const coloured = process.stdout.isTTY === true && !env.NO_COLOR
  const output = createOutput(argv.includes('--json'), { coloured, ...(write && { write }) })
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  const name = commandNameOf(words)
  const load = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  const commands = load ? [await load()] : await allCommands()
  const root = createParser(commands, output, (command, args, flags) => {
    for (const shared of command.without ?? [])
      if (flags[shared] !== undefined) throw usage(`${command.name} does not take --${shared}.`)
    return command.action?.({ args, flags, output, env, signal, allCommands }) ?? Promise.resolve()
  })
  try {
    await root.parseAsync([...words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Without any command the parser fails; whoever typed only `orderwire` wants the help.
    if (error.exitCode !== 0) root.outputHelp()
  }
}

type Run = (command: Command, args: readonly string[], flags: Flags) => Promise<void>

function createParser(commands: readonly Command[], output: Output, run: Run): Commander {
  const root = new Commander('orderwire')
    .description(TITLE)
    .usage('COMMAND [options]')
    .configureOutput({ writeOut: text => output.line(text.trimEnd()), writeErr: () => {} })
    .configureHelp({ showGlobalOptions: true })
    .helpOption('-h, --help', 'the help of a command, with examples')
    .helpCommand(false)
    .addHelpText('after', `\nEach command has its own help: orderwire COMMAND --help. ${SETTINGS}`)
    .exitOverride(error => refuse(error, 'orderwire', null))
    .option('--json', 'print JSON lines')
    .option('--config <file>', 'the configuration file; default: orderwire.config.ts')
  for (const command of commands) add(root, command, `orderwire ${command.name}`, run)
  return root
}

function add(parent: Commander, command: Command, path: string, run: Run): void {
  const { name, summary, args, options = [], examples = [], commands = [] } = command
  const parser = parent
    .command(name)
    .description(summary)
    .exitOverride(error => refuse(error, path, command))
    .helpCommand(false)
    .allowExcessArguments(false)
  if (args !== undefined) parser.arguments(args)
  for (const { flags, text, parse } of options) {
    const option = new Option(flags, text)
    if (parse)
      option.argParser((text: string, before: unknown) => parse(text, Array.isArray(before) ? before : undefined))
    parser.addOption(option)
  }
  if (examples.length > 0)
    parser.addHelpText('after', `\nExamples:\n${examples.map(line => `  orderwire ${line}`).join('\n')}`)
  for (const one of commands) add(parser, one, `${path} ${one.name}`, run)
  if (command.action) parser.action(() => run(command, parser.args, parser.optsWithGlobals()))
}

/** Turns the parser's complaint into a usage error; help that was asked for passes. */
function refuse(error: CommanderError, path: string, command: Command | null): never {
  if (error.exitCode === 0) throw error
  const said = error.message.replace(/^error: /, '')
  const [, quoted = ''] = /'([^']*)'/.exec(said) ?? []
  const hint = /Did you mean ([^?]+)\?/.exec(said)?.[0] ?? ''
  const help = `Try: ${path} --help`
  const text = (...parts: string[]) => usage(parts.filter(part => part !== '').join(' '))
  const name = path.replace(/^orderwire ?/, '')
  switch (error.code) {
    case 'commander.unknownOption': {
      const taken = (command?.options ?? []).map(({ flags }) => flags.split(/[ ,]/)[0])
      const list = taken.length > 0 ? `It takes ${taken.join(', ')}.` : ''
      const [option = ''] = quoted.split('=')
      throw text(name === '' ? `There is no option ${option}.` : `${name} does not take ${option}.`, hint, list, help)
    }
    case 'commander.unknownCommand': {
      const known = command?.commands?.map(one => one.name) ?? Object.keys(COMMANDS)
      const owner = name === '' ? 'There' : `${name}: there`
      throw text(`${owner} is no command "${quoted}".`, hint, `Commands: ${known.join(', ')}.`, help)
    }
    case 'commander.help':
      if (command === null) throw error
      throw text(`${name}: say what to do, one of ${command.commands?.map(one => one.name).join(', ')}.`, help)
    case 'commander.missingArgument':
      throw text(`${name}: name the ${quoted}.`, help)
    case 'commander.excessArguments':
      throw text(`${name}: there are too many words. Options begin with --.`, help)
    case 'commander.optionMissingArgument':
      throw text(`${name}: the option ${quoted} needs a value.`, help)
    default:
      throw text(`${name}: ${said}.`, help)
  }
}
