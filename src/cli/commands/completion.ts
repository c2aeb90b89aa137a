import type { Command } from '../command.ts'
import type { Output } from '../output.ts'
import { usage } from '../usage.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

export const completionCommand: Command = {
  name: 'completion',
  summary: 'print a completion script for bash, zsh or fish',
  args: '<shell>',
  examples: [
    'completion bash > /etc/bash_completion.d/orderwire',
    'completion zsh > ~/.zfunc/_orderwire',
    'completion fish > ~/.config/fish/completions/orderwire.fish',
  ],
  without: ['json', 'config'],
  async action({ args: [wanted], output, allCommands }) {
    const shell = SHELLS.find(one => one === wanted)
    if (!shell) throw usage(`completion: expected one of ${SHELLS.join(', ')}, found "${wanted}"`)
    completion(shell, await allCommands(), output)
  },
}

/** What may follow one command path: subcommands or options. */
interface Choices {
  /** `endpoints add`; empty for the first word. */
  readonly path: string
  readonly words: readonly { readonly word: string; readonly text: string }[]
}

function choicesOf(commands: readonly Command[]): Choices[] {
  const visit = (command: Command, path: string): Choices[] => {
    const { commands = [], options = [], without = [] } = command
    const shared = [
      { name: 'json', text: 'print JSON lines' },
      { name: 'config', text: 'the configuration file' },
    ] as const
    const own = options.map(({ flags, text }) => ({ word: flags.split(' ')[0] ?? '', text }))
    const others = shared.flatMap(({ name, text }) => (without.includes(name) ? [] : [{ word: `--${name}`, text }]))
    const words =
      commands.length > 0
        ? commands.map(({ name, summary }) => ({ word: name, text: summary }))
        : [...own, ...others, { word: '--help', text: 'help and examples' }]
    return [{ path, words }, ...commands.flatMap(one => visit(one, `${path} ${one.name}`))]
  }
  const first = commands.map(({ name, summary }) => ({ word: name, text: summary }))
  return [{ path: '', words: first }, ...commands.flatMap(command => visit(command, command.name))]
}

function completion(shell: Shell, commands: readonly Command[], output: Output): void {
  const choices = choicesOf(commands)
  output.line(shell === 'fish' ? fishScript(choices) : shell === 'zsh' ? zshScript(choices) : bashScript(choices))
}

const cases = (choices: readonly Choices[]): string =>
  choices.map(({ path, words }) => `    '${path}') words='${words.map(({ word }) => word).join(' ')}' ;;`).join('\n')

/** The first two words that are no options choose the list. */
const bashScript = (choices: readonly Choices[]): string => `_orderwire() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' words='' index
  for ((index = 1; index < COMP_CWORD && index < 3; index++)); do
    case "\${COMP_WORDS[index]}" in -*) break ;; esac
    path="\${path:+$path }\${COMP_WORDS[index]}"
  done
  case " ${choices
    .map(({ path }) => path)
    .filter(path => path.includes(' '))
    .join(' , ')} " in
    *" $path "*) ;;
    *) path="\${path%% *}" ;;
  esac
  case "$path" in
${cases(choices)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _orderwire orderwire`

const zshScript = (choices: readonly Choices[]): string => `#compdef orderwire
autoload -U +X bashcompinit && bashcompinit
${bashScript(choices)}`

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fishScript(choices: readonly Choices[]): string {
  const lines = choices.flatMap(({ path, words }) => {
    const [command, sub] = path.split(' ')
    const subcommands =
      choices.find(one => one.path === command)?.words.filter(({ word }) => !word.startsWith('-')) ?? []
    const condition =
      path === ''
        ? '__fish_use_subcommand'
        : sub !== undefined
          ? `__fish_seen_subcommand_from ${command}; and __fish_seen_subcommand_from ${sub}`
          : subcommands.length > 0
            ? `__fish_seen_subcommand_from ${command}; and not __fish_seen_subcommand_from ${subcommands.map(({ word }) => word).join(' ')}`
            : `__fish_seen_subcommand_from ${command}`
    return words.map(({ word, text }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
      return `complete -c orderwire -n ${fishQuoted(condition)} ${what} -d ${fishQuoted(text)}`
    })
  })
  return lines.join('\n')
}
