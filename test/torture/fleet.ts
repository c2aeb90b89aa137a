import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../src/sandbox/random.ts'
import { type Program, startProgram } from '../helpers/program.ts'

interface Member {
  readonly role: string
  child: ChildProcess | null
  /** null: it was ended while it started. */
  program: Promise<Program | null>
  stopped: boolean
}

/** Processes of one cluster that die, pause, come and go. Whoever is killed is started again at once. */
export interface Fleet {
  /** SIGKILL to one of them, at whatever it is doing, its start included; not to those of the roles spared. */
  kill(spared: readonly string[]): Promise<void>
  /** SIGKILL to all of them at once. */
  blackout(): Promise<void>
  /** One more dispatcher, for so long, which then leaves in peace. */
  join(ms: number): Promise<void>
  /** SIGSTOP to one of them for so long; the others live on meanwhile. Resolves at once. */
  pause(ms: number): void
  /** The API, once all have started. */
  api(): Promise<Program>
  /** How many of each role were killed. */
  readonly kills: Readonly<Record<string, number>>
  /** How many of them had not finished starting. */
  readonly killedStarting: number
  /** Processes that ended without being told to, with the last they said. */
  readonly deaths: readonly string[]
  /** Continues those that are paused and ends all. */
  close(): Promise<void>
}

export function createFleet(options: {
  roles: readonly string[]
  random: Random
  folder: string
  env: NodeJS.ProcessEnv
}): Fleet {
  const { random, folder, env } = options
  const kills: Record<string, number> = {}
  const deaths: string[] = []
  let killedStarting = 0
  let started = 0
  const pauses = new Set<() => void>()
  const expected = new WeakSet<ChildProcess>()

  const launch = async (role: string, spawned: (child: ChildProcess) => void): Promise<Program | null> => {
    const own: { child: ChildProcess | null } = { child: null }
    const data = { ORDERWIRE_DATA: `${folder}/data-${++started}` }
    const launching = startProgram(folder, { ...env, ...data }, ['--roles', role], {
      // It may be paused, or wait for a server that is away.
      withinMs: 180_000,
      spawned(child) {
        own.child = child
        spawned(child)
      },
    })
    const program = await launching.catch(error => {
      if (own.child && !expected.has(own.child)) deaths.push(`${role} did not start: ${error.message.slice(-800)}`)
      return null
    })
    program?.child.once('close', (code, signal) => {
      if (expected.has(program.child)) return
      deaths.push(`${role} ended by itself (${code ?? signal}): ${program.output().slice(-800)}`)
    })
    return program
  }

  function revive(member: Member): void {
    member.program = launch(member.role, child => {
      member.child = child
    })
  }

  async function end(member: Member): Promise<void> {
    const { child, program } = member
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const running = await Promise.race([program, sleep(0, null)])
    if (!running) killedStarting++
    kills[member.role] = (kills[member.role] ?? 0) + 1
    expected.add(child)
    const closed = new Promise(resolve => child.once('close', resolve))
    child.kill('SIGKILL')
    await closed
  }

  const members = options.roles.map((role): Member => {
    const member: Member = { role, child: null, program: Promise.resolve(null), stopped: false }
    revive(member)
    return member
  })
  const anyOf = (fit: (member: Member) => boolean): Member | undefined => {
    const some = members.filter(fit)
    return some[random.between(0, some.length - 1)]
  }

  return {
    kills,
    deaths,
    get killedStarting() {
      return killedStarting
    },
    async kill(spared) {
      const member = anyOf(({ role, stopped }) => !stopped && !spared.includes(role))
      if (!member) return
      await end(member)
      revive(member)
    },
    async blackout() {
      const running = members.filter(({ stopped }) => !stopped)
      await Promise.all(running.map(end))
      for (const member of running) revive(member)
    },
    async join(ms) {
      const program = await launch('dispatch', () => {})
      await sleep(ms)
      if (!program) return
      expected.add(program.child)
      const code = await program.end('SIGTERM')
      if (code !== 0) deaths.push(`dispatch left with ${code}: ${program.output().slice(-800)}`)
    },
    pause(ms) {
      const member = anyOf(({ role, stopped }) => role !== 'api' && !stopped)
      const child = member?.child
      if (!member || !child) return
      member.stopped = true
      child.kill('SIGSTOP')
      const resume = () => {
        pauses.delete(resume)
        clearTimeout(timer)
        child.kill('SIGCONT')
        member.stopped = false
      }
      const timer = setTimeout(resume, ms)
      pauses.add(resume)
    },
    async api() {
      for (const resume of pauses) resume()
      const programs = await Promise.all(members.map(({ program }) => program))
      const api = programs[members.findIndex(({ role }) => role === 'api')]
      if (!api) throw new Error(`there is no API: ${deaths.join('\n')}`)
      return api
    },
    async close() {
      for (const resume of pauses) resume()
      for (const { child } of members) if (child) expected.add(child)
      await Promise.all(members.map(async ({ program }) => (await program)?.end('SIGKILL')))
    },
  }
}
