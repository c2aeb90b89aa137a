import { AppError } from '../lib/errors.ts'

export const wrong = (message: string, cause?: unknown): AppError =>
  new AppError(message, { code: 'config.invalid', intent: 'fix', cause })
