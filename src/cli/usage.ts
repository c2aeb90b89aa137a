import { AppError } from '../lib/errors.ts'

/** The command line is wrong: exit code 2. */
export const usage = (message: string): AppError => new AppError(message, { code: 'cli.usage', intent: 'fix' })

/** The command could not do its work: exit code 1. */
export const failed = (message: string): AppError => new AppError(message, { code: 'cli.refused', intent: 'retry' })
