import { wrong } from './config-error.ts'

/** Reads environment variables. What is wrong becomes an AppError that names the variable, what was expected and what was found. */
export interface Variables {
  /** Without white space around it; null: unset or empty. */
  value(name: string): string | null
  integer(name: string, fallback: number, least: number, most: number): number
  /** Case does not matter. */
  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T
}

export function variablesOf(env: NodeJS.ProcessEnv): Variables {
  const value = (name: string) => env[name]?.trim() || null
  return {
    value,
    integer(name, fallback, least, most) {
      const text = value(name)
      const number = text === null ? fallback : Number(text)
      if (Number.isInteger(number) && number >= least && number <= most) return number
      throw wrong(`${name}: expected a whole number from ${least} to ${most}, found ${JSON.stringify(text)}`)
    },
    oneOf(name, values, fallback) {
      const text = value(name)
      if (text === null) return fallback
      const match = values.find(candidate => candidate === text.toLowerCase())
      if (match) return match
      throw wrong(`${name}: expected one of ${values.join(', ')}, found ${JSON.stringify(text)}`)
    },
  }
}
