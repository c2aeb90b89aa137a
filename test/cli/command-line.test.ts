import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { allCommands, COMMANDS, commandNameOf } from '../../src/cli/commands.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { AppError } from '../../src/lib/errors.ts'
import { VERSION } from '../../src/lib/version.ts'

/** Parses one command line; nothing here reaches a server. */
async function run(...argv: string[]): Promise<string> {
  let text = ''
  const write = (more: string) => {
    text += more
  }
  await runCommandLine({ argv, env: {}, signal: new AbortController().signal, write })
  return text
}

const refusal = async (...argv: string[]): Promise<AppError> => {
  const error = await run(...argv).then(
    () => null,
    (error: unknown) => error,
  )
  if (error instanceof AppError) return error
  throw new Error(`no AppError, but ${error}`)
}

const commands = await allCommands()
const pathsOf = (command: Command, before: readonly string[] = []): { path: string[]; command: Command }[] => {
  const path = [...before, command.name]
  return [{ path, command }, ...(command.commands ?? []).flatMap(one => pathsOf(one, path))]
}
const paths = commands.flatMap(command => pathsOf(command))
const runnable = paths.filter(({ command }) => command.action !== undefined)

describe('the help', () => {
  test('of orderwire lists every command with its summary, with and without --help', async () => {
    const help = (await run('--help')).replace(/\s+/g, ' ')
    for (const { name } of commands) expect(help).toContain(` ${name} `)
    for (const { summary } of commands) expect(help).toContain(summary)
    expect((await run()).replace(/\s+/g, ' ')).toBe(help)
    expect((await run('help')).replace(/\s+/g, ' ')).toBe(help)
  })

  test.each(paths.map(({ path, command }) => [path.join(' '), path, command] as const))(
    'of %s shows its options and examples',
    async (_, path, command) => {
      const help = await run(...path, '--help')
      expect(help).toContain(`Usage: orderwire ${path.join(' ')}`)
      for (const { flags } of command.options ?? []) expect(help).toContain(flags)
      for (const example of command.examples ?? []) expect(help).toContain(`  orderwire ${example}`)
      expect(await run('help', ...path)).toBe(help)
    },
  )

  test('of every command that does something has an example, which begins with the command', () => {
    for (const { path, command } of runnable) {
      expect(command.examples?.length, path.join(' ')).toBeGreaterThan(0)
      for (const example of command.examples ?? []) expect(example).toMatch(new RegExp(`^${path.join(' ')}\\b`))
    }
  })

  test('names each command as the table of commands does', () => {
    expect(commands.map(({ name }) => name)).toEqual(Object.keys(COMMANDS))
  })
})

describe('wrong usage', () => {
  test.each(runnable.map(({ path }) => path))('an unknown option is refused: %s', async (...path) => {
    const { code, message } = await refusal(...path, '--no-such-thing')
    expect([code, message]).toEqual(['cli.usage', expect.stringContaining('does not take --no-such-thing')])
  })

  test.each([
    [['evnts'], 'There is no command "evnts". Did you mean events?'],
    [['endpoints', 'lst'], 'endpoints: there is no command "lst". Did you mean list?'],
    [['endpoints'], 'endpoints: say what to do, one of add, list,'],
    [['events', '--tpye', 'x'], 'events does not take --tpye. Did you mean --type?'],
    [['events', '--since'], 'events: the option --since <when> needs a value.'],
    [
      ['events', '--since', 'soon'],
      '--since: an instant (2026-03-02T10:15:30Z), a date (2026-03-02) or how long ago (2h)',
    ],
    [['events', '--last', '0'], '--last: expected a whole number from 1'],
    [['poll', 'a', 'b'], 'poll: there are too many words'],
    [['poll'], 'poll: name the connection'],
    [['orders', 'show'], 'orders show: name the order'],
    [['start', '--json'], 'start does not take --json'],
    [['backup', 'x', '--config', 'y'], 'backup does not take --config'],
    [['completion', 'tcsh'], 'expected one of bash, zsh, fish, found "tcsh"'],
    [['--speed'], 'There is no option --speed.'],
  ])('%j is explained', async (argv, says) => {
    const { code, message } = await refusal(...argv)
    expect(code).toBe('cli.usage')
    expect(message).toContain(says)
    expect(message).not.toContain('error:')
  })

  test('options may stand before the command, and the value of --config is not taken for one', () => {
    expect(commandNameOf(['--json', '--config', 'events', 'poll', 'shop'])).toBe('poll')
    expect(commandNameOf(['--json'])).toBeUndefined()
  })
})

describe('completion', () => {
  const completed = (script: string, ...words: string[]): string[] => {
    const line = words.map(word => `'${word}'`).join(' ')
    const ask = `COMP_WORDS=(orderwire ${line}); COMP_CWORD=${words.length}; _orderwire; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
      .trim()
      .split(' ')
  }

  test('for bash gives commands, subcommands and options', async () => {
    const script = await run('completion', 'bash')
    expect(completed(script, 'ev')).toEqual(['events'])
    expect(completed(script, 'dead-letters', '')).toEqual(['list', 'show', 'redrive', 'discard'])
    expect(completed(script, 'dead-letters', 'redrive', '--d')).toEqual(['--dry-run'])
    expect(completed(script, 'poll', 'shop', '--o')).toEqual(['--order'])
    expect(completed(script, 'events', '--type', 'x', '--la')).toEqual(['--last'])
  })

  test('for zsh begins with its directive, and for fish completes every subcommand', async () => {
    expect(await run('completion', 'zsh')).toMatch(/^#compdef orderwire\n/)
    const fish = (await run('completion', 'fish')).trim().split('\n')
    expect(fish.every(line => line.startsWith('complete -c orderwire -n '))).toBe(true)
    for (const { path } of paths) expect(fish.some(line => line.includes(` -a ${path.at(-1)} `))).toBe(true)
  })
})

test('orderwire --version prints the version and does not load the app', () => {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  const hook = `import { registerHooks } from 'node:module'
registerHooks({ resolve(name, context, next) { const found = next(name, context); console.error('loads ' + found.url); return found } })`
  const preload = `data:text/javascript,${encodeURIComponent(hook)}`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', preload, main, '--version'], {
    encoding: 'utf8',
  })
  expect([status, stdout]).toEqual([0, `${VERSION}\n`])
  expect(stderr).toContain('src/main.ts')
  expect(stderr).not.toMatch(/node_modules|src\/app\.ts|src\/cli\/program\.ts/)
})
