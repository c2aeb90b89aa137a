#!/usr/bin/env node
import nodeModule from 'node:module'
import { commandNameOf } from './cli/commands.ts'
import { handedOver, ownerNow } from './lib/accidents.ts'
import { systemClock } from './lib/clock.ts'
import { escapeJson, visibleLine, visibleLines } from './lib/control-characters.ts'
import { AppError, messageOf } from './lib/errors.ts'
import { resolveOwnPackage } from './lib/own-package.ts'
import { VERSION } from './lib/version.ts'

/** The process: signals, output, exit codes (0 fine, 1 failed, 2 wrong usage or configuration). No other file ends it. */

const stop = new AbortController()
/** An error of our own that nobody caught: the process ends, and not with 0. */
let fatal = false
/** A clean stop takes 10 s at most. */
const FATAL_MS = 12_000

async function main(argv: readonly string[]): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
  const isServer = commandNameOf(argv) === 'start'
  onReaderGone(isServer)
  try {
    requireNode()
    if (argv[0] === '--version' || argv[0] === '-v') process.stdout.write(`${VERSION}\n`)
    else {
      nodeModule.enableCompileCache() // before the rest is loaded: halves the time to the first line
      resolveOwnPackage()
      loadEnvironmentFile()
      const { runCommandLine } = await import('./cli/program.ts')
      await runCommandLine({ argv, env: process.env, signal: stop.signal })
    }
    await new Promise(resolve => process.stdout.write('', resolve))
    if (unwritten !== null && !isServer)
      throw new AppError(`The output could not be written whole: ${unwritten}. Make room, and run it again.`, {
        code: 'cli.output',
        intent: 'retry',
      })
    return fatal ? 1 : 0
  } catch (error) {
    const message = error instanceof AppError ? error.message : unexpected(error)
    const code = error instanceof AppError ? error.code : 'unexpected'
    const text = argv.includes('--json')
      ? escapeJson(JSON.stringify({ error: { code, message } }))
      : `orderwire: ${visibleLines(message)}`
    process.stderr.write(`${text}\n`)
    return error instanceof AppError && /^(config|handlers|cli\.usage)/.test(code) ? 2 : 1
  }
}

const OLDEST_NODE = 24

function requireNode(): void {
  if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) return
  throw new AppError(`orderwire needs Node ${OLDEST_NODE} or newer; this is ${process.version}. Install a newer one.`, {
    code: 'config.node',
    intent: 'fix',
  })
}

/** `.env` of the working directory. Variables that are set already keep their values. */
function loadEnvironmentFile(): void {
  try {
    process.loadEnvFile()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw new AppError(`The file .env cannot be read: ${messageOf(error)}`, { code: 'config.env_file', intent: 'fix' })
  }
}

const unexpected = (error: unknown): string =>
  `unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`

/** Why output could not be written, although somebody reads it. */
let unwritten: string | null = null

/**
 * The reader of our output went away (`orderwire start | head -1`), or the disk of a log file is full. A server goes on and loses the lines of its
 * log only. Another command stops printing, puts down what it holds, and ends.
 */
function onReaderGone(isServer: boolean): void {
  process.stdout.on('error', error => {
    if (!('code' in error && error.code === 'EPIPE')) unwritten = messageOf(error)
    else if (!isServer) stop.abort()
  })
}
process.stderr.on('error', () => {})

// Warnings of experimental Node features (node:sqlite) are nothing a user can act on.
process.removeAllListeners('warning')
process.on('warning', warning => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${visibleLine(warning.message)}\n`)
})

// What a handler does not catch is the handler's. What is ours leaves the process in a state that nobody knows: it stops cleanly and ends.
function uncaught(error: unknown): void {
  if (handedOver(error)) return
  process.stderr.write(`orderwire: ${visibleLines(unexpected(error))}; stopping\n`)
  fatal = true
  stop.abort()
  systemClock().after(FATAL_MS, () => exit(1))
}
process.on('uncaughtException', uncaught)
process.on('unhandledRejection', uncaught)

const exit = process.exit.bind(process)
process.exit = code => {
  if (ownerNow() === undefined) return exit(code)
  throw new AppError('A handler may not end the process with process.exit(); throw an error instead.', {
    code: 'handlers.exit',
    intent: 'fix',
  })
}

process.exit(await main(process.argv.slice(2)))
