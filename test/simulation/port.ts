import { AppError } from '../../src/lib/errors.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Life } from './session.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

/** How a port behaves at the moment; the storm changes it. */
export interface Weather {
  /** Share of calls that fail without an effect, and of those that fail although they had it. */
  lost: number
  torn: number
  /** Usual and worst milliseconds of one way. */
  usual: number
  worst: number
}

export const calm = (): Weather => ({ lost: 0, torn: 0, usual: 3, worst: 20 })

export interface PortDeps {
  readonly name: string
  readonly life: Life
  readonly time: Time
  readonly random: Random
  readonly trace: Trace
  readonly weather: Weather
  /** The other side is another machine: what was sent before a crash may still arrive. */
  readonly remote: boolean
  /** Asked before a call leaves and before its answer arrives: the process may die here, or be stopped for a while. */
  readonly mishap: (call: string) => 'none' | 'death' | 'freeze'
  /** After each effect. */
  readonly after?: (call: string, args: readonly unknown[], result: unknown) => void
  /** After each call that failed by itself. */
  readonly failed?: (call: string, error: unknown) => void
  /** Prefix of the codes of its errors. */
  readonly code: string
  /** The effect itself takes of the world's time. */
  readonly inWorld?: boolean
}

const isDead = ({ state }: Life): boolean => state === 'dead'
/** A new one each time: what waits for a promise is kept by it. */
const forever = () => new Promise<never>(() => {})

export const delay = (random: Random, { usual, worst }: Pick<Weather, 'usual' | 'worst'>): number =>
  random.chance(0.03) ? random.between(0, worst) : random.between(0, usual)

/** One call over a port: it takes its way, has its effect or not, and the answer takes its way back, or not. */
export async function call<T>(
  deps: PortDeps,
  name: string,
  args: readonly unknown[],
  effect: () => Promise<T>,
): Promise<T> {
  const { life, time, random, trace, weather } = deps
  if (isDead(life)) return forever()
  const title = `${deps.name}.${name}`
  const mishap = deps.mishap(title)
  if (mishap === 'death') return forever()
  if (mishap === 'freeze') await new Promise<void>(resolve => life.run(resolve))
  const [there, back] = [delay(random, weather), delay(random, weather)]
  const dice = random.next()
  const survives = deps.remote && random.chance(0.5)
  await time.sleep(there)
  if (isDead(life) && !survives) return forever()
  const failure = () =>
    new AppError(`${title} failed in the simulation`, { code: `${deps.code}.unavailable`, intent: 'retry' })
  if (dice < weather.lost) {
    trace.note(`${life.name} ${title} lost`)
    await arrival(deps, back)
    throw failure()
  }
  let outcome: { result: T } | { error: unknown }
  try {
    outcome = { result: await (deps.inWorld ? effect() : time.working(effect())) }
    // Requests have ids of their own in each run.
    trace.note(`${life.name} ${title}${title.includes('pollRequests') ? '' : brief(args)}`)
    deps.after?.(name, args, outcome.result)
  } catch (error) {
    trace.note(`${life.name} ${title} ! ${error instanceof Error ? error.message : String(error)}`)
    outcome = { error }
    deps.failed?.(title, error)
  }
  if (deps.mishap(`${title} done`) === 'death') return forever()
  await arrival(deps, back)
  if (dice > 1 - weather.torn) throw failure()
  if ('error' in outcome) throw outcome.error
  return outcome.result
}

const arrival = ({ time, life }: PortDeps, ms: number): Promise<void> =>
  new Promise(resolve => time.after(ms, () => life.run(resolve)))

/** The beginning of what a call was given; the whole of a long list would cost more than the call itself. */
function brief(args: readonly unknown[]): string {
  let text = ''
  for (const arg of args) {
    text += ` ${typeof arg === 'object' && arg !== null ? sketch(arg) : String(arg)}`
    if (text.length > 160) return `${text.slice(0, 160)}…`
  }
  return text
}

function sketch(value: object): string {
  if (value instanceof Set) return sketch([...value])
  if (Array.isArray(value))
    return `[${value.length}: ${value.slice(0, 3).map(one => (typeof one === 'object' && one !== null ? sketch(one) : String(one)))}]`
  const parts: string[] = []
  for (const [name, one] of Object.entries(value)) {
    if (typeof one === 'object' && one !== null) {
      if (Array.isArray(one) && one.length > 0 && parts.length < 6) parts.push(`${name}=${sketch(one)}`)
    } else parts.push(`${name}=${typeof one === 'string' ? one.slice(0, 30) : String(one)}`)
  }
  return `{${parts.join(' ')}}`
}

/** The same interface, every method of it called over the port. */
export function overPort<T extends object>(deps: PortDeps, target: T): T {
  const made = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, key) {
      const known = made.get(key)
      if (known !== undefined) return known
      const member: unknown = Reflect.get(target, key)
      const wrapped =
        typeof member === 'function'
          ? (...args: unknown[]) => call(deps, String(key), args, async () => member.apply(target, args))
          : typeof member === 'object' && member !== null
            ? overPort({ ...deps, name: `${deps.name}.${String(key)}` }, member)
            : member
      made.set(key, wrapped)
      return wrapped
    },
  })
}
