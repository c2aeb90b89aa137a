import type { Clock } from '../lib/clock.ts'
import type { Desk } from './desk.ts'
import type { KakacloDesk } from './kakaclo.ts'
import { createLife, type Life, type Plot, planLife, type Step } from './life.ts'
import { createRandom, type Random } from './random.ts'
import { kakacloV1, kakacloV2, shoplazzaOrder, shoplazzaRefunds, tuyaOrder } from './rows.ts'
import type { ShoplazzaDesk } from './shoplazza.ts'
import type { TuyaDesk } from './tuya.ts'

/**
 * A shop in time-lapse: orders are born steadily and live through payment, parcels, arrival, refunds and cancellation. It starts
 * with what happened in the minute before, so that there is something to see at once. About one event a second over the three vendors.
 */
interface Lapse {
  stop(): void
}

/** How one vendor shows the life of an order. */
interface Stage {
  readonly desk: Pick<Desk, 'remove'>
  readonly refunds: Plot['refunds']
  readonly lateNumbers: boolean
  readonly dollars: boolean
  readonly idOf: (number: number) => string
  readonly show: (life: Life) => void
  /** How many orders it remembers; the oldest finished ones go first. */
  readonly remembers: number
}

/** The buyers of the simulated Tuya mall: follow these to see its orders. */
export const SANDBOX_BUYERS = ['buyer-1', 'buyer-2', 'buyer-3'] as const

/** Seconds from one birth to the next at one vendor. */
const BIRTHS = { from: 9, to: 15 }
const PAST_MS = 60_000

interface Stages {
  readonly kakaclo: KakacloDesk
  readonly tuya: TuyaDesk
  readonly shoplazza: ShoplazzaDesk
}

/** Each shop has order numbers of its own, so that no two of them seem to be one order. */
const RANGE = 100_000_000

export function startLapse(
  desks: Stages,
  { clock, seed, speed }: { clock: Clock; seed: number; speed: number },
): Lapse {
  // Order numbers begin with the time of the start, so a restarted shop has new orders instead of other ones under the same ids.
  const first = Math.floor(clock.now() / 1000) % RANGE
  const stages: readonly Stage[] = [
    {
      desk: desks.kakaclo,
      refunds: 'before-shipping',
      lateNumbers: false,
      dollars: true,
      idOf: number => `10${String(number).padStart(9, '0')}`,
      show: life => desks.kakaclo.put(life.id, kakacloV2(life), { other: kakacloV1(life) }),
      remembers: 3000,
    },
    {
      desk: desks.tuya,
      refunds: 'never',
      lateNumbers: false,
      dollars: false,
      idOf: number => `T${number}`,
      show: life => desks.tuya.put(life.id, tuyaOrder(life), { owner: life.buyer, updatedAt: life.updatedAt }),
      // A buyer's list is read whole each time.
      remembers: 300,
    },
    {
      desk: desks.shoplazza,
      refunds: 'after-delivery',
      lateNumbers: true,
      dollars: false,
      idOf: number => `288263-${number}`,
      show(life) {
        desks.shoplazza.put(life.id, shoplazzaOrder(life, '2022-01'), { other: shoplazzaOrder(life, '2025-06') })
        if (life.refunds.length > 0)
          desks.shoplazza.putRefunds(life.id, shoplazzaRefunds(life, '2022-01'), shoplazzaRefunds(life, '2025-06'))
      },
      remembers: 3000,
    },
  ]
  const lapses = stages.map((stage, index) =>
    runStage(stage, { clock, speed, random: createRandom(seed + index), first: (index + 1) * RANGE + first }),
  )
  return {
    stop() {
      for (const lapse of lapses) lapse.stop()
    },
  }
}

interface Run {
  readonly clock: Clock
  readonly speed: number
  readonly random: Random
  readonly first: number
}

function runStage(stage: Stage, { clock, speed, random, first }: Run): Lapse {
  /** Steps still to come, each with its order; earliest last. */
  let agenda: { life: Life; step: Step; last: boolean }[] = []
  const finished: string[] = []
  let born = 0
  let birthAt = clock.now() - PAST_MS / speed

  const give = (): void => {
    const number = first + born
    const buyer = SANDBOX_BUYERS[born % SANDBOX_BUYERS.length] ?? SANDBOX_BUYERS[0]
    born += 1
    const birth = {
      id: stage.idOf(number),
      number: String(number),
      at: Math.round(birthAt),
      buyer,
      dollars: stage.dollars,
    }
    const life = createLife(random, birth)
    stage.show(life)
    const steps = planLife(life, { random, speed, refunds: stage.refunds, lateNumbers: stage.lateNumbers })
    agenda.push(...steps.map((step, index) => ({ life, step, last: index === steps.length - 1 })))
    agenda.sort((a, b) => b.step.at - a.step.at)
    birthAt += random.between(BIRTHS.from * 1000, BIRTHS.to * 1000) / speed
  }

  const happen = (): void => {
    const next = agenda.pop()
    if (next === undefined) return
    next.step.happen(next.life)
    stage.show(next.life)
    if (next.last) finished.push(next.life.id)
    if (finished.length > stage.remembers) stage.desk.remove(finished.shift() ?? '')
  }

  /** Everything that is due; returns when the next thing is. */
  const catchUp = (): number => {
    for (;;) {
      const stepAt = agenda.at(-1)?.step.at ?? Infinity
      const at = Math.min(stepAt, birthAt)
      if (at > clock.now()) return at
      if (stepAt <= birthAt) happen()
      else give()
    }
  }

  let cancel = (): void => {}
  const tick = (): void => {
    const next = catchUp()
    cancel = clock.after(Math.max(1, next - clock.now()), tick)
  }
  tick()
  return {
    stop() {
      cancel()
      agenda = []
    },
  }
}
