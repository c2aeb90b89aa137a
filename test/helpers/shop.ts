import type { ConfigInput } from '../../schemas/config.ts'
import { KAKACLO_TOKEN } from '../../src/sandbox/kakaclo.ts'
import { createLife, type Life, planLife, type Step } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { kakacloV2, shoplazzaOrder, shoplazzaRefunds } from '../../src/sandbox/rows.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN } from '../../src/sandbox/shoplazza.ts'

interface Living {
  readonly life: Life
  readonly steps: Step[]
  readonly vendor: 'kk' | 'shop'
}

/** The connections through which the shop's orders are seen, polled as often as a test can wait for. */
export function connectionsTo(sandbox: Sandbox): ConfigInput['connections'] {
  const often = { pollEvery: '50ms', rateLimit: { perSecond: 500, burst: 500 } }
  return [
    { ...often, id: 'kk', vendor: 'kakaclo', baseUrl: `${sandbox.url}/kakaclo/openapi`, token: KAKACLO_TOKEN },
    {
      ...often,
      id: 'shop',
      vendor: 'shoplazza',
      baseUrl: `${sandbox.url}/shoplazza/openapi/2022-01`,
      accessToken: SHOPLAZZA_TOKEN,
    },
  ]
}

/** The shop's orders told to one subscriber that is well and one that fails now and then, both without long pauses. */
export const withSubscribers = (
  sandbox: Sandbox,
  { steady, shaky }: { steady: { url: string }; shaky: { url: string } },
): ConfigInput => ({
  connections: connectionsTo(sandbox),
  endpoints: [
    { id: 'steady', url: steady.url },
    { id: 'shaky', url: shaky.url },
  ],
  network: { allow: ['127.0.0.0/8'] },
  delivery: { retries: Array.from({ length: 40 }, () => '50ms') },
})

/** Orders whose lives a test moves on, at two simulated vendors, and what has truly happened to them. */
export function createShop(sandbox: Sandbox, seed: number) {
  const random = createRandom(seed)
  const living: Living[] = []
  const all: Living[] = []

  function show({ vendor, life }: Living): void {
    if (vendor === 'kk') {
      sandbox.kakaclo.put(life.id, kakacloV2(life))
      return
    }
    sandbox.shoplazza.put(life.id, shoplazzaOrder(life, '2022-01'))
    if (life.refunds.length > 0) sandbox.shoplazza.putRefunds(life.id, shoplazzaRefunds(life, '2022-01'), [])
  }

  return {
    /** A new order at one of the vendors. */
    open(): void {
      const number = String(70_000 + all.length)
      const vendor = all.length % 2 === 0 ? 'kk' : 'shop'
      const birth = { id: `9${number}`, number, at: Date.now(), buyer: 'buyer-1', dollars: vendor === 'kk' }
      const life = createLife(random, birth)
      const steps = [
        ...planLife(life, {
          ...{ random, speed: 1, lateNumbers: false },
          refunds: vendor === 'kk' ? 'before-shipping' : 'after-delivery',
        }),
      ]
      const one = { life, steps, vendor } as const
      all.push(one)
      if (steps.length > 0) living.push(one)
      show(one)
    },
    /** The next thing happens to some order; false: all lives are lived. */
    move(): boolean {
      const index = random.between(0, Math.max(0, living.length - 1))
      const one = living[index]
      if (!one) return false
      one.steps.shift()?.happen(one.life)
      one.life.updatedAt = Date.now()
      show(one)
      if (one.steps.length === 0) living.splice(index, 1)
      return true
    },
    /** Every fact there is, as `kk/970001 shipped 970001-P1`. */
    facts(): string[] {
      return all.flatMap(({ life, vendor }) => {
        const facts = [
          ...(life.paidAt === null ? [] : ['paid']),
          ...life.packages.map(({ id }) => `shipped ${id}`),
          ...life.packages.filter(({ state }) => state === 'finished').map(({ id }) => `delivered ${id}`),
          ...life.refunds.filter(({ state }) => state === 'finished').map(() => 'refunded'),
          ...(life.cancelledAt === null ? [] : ['cancelled']),
        ]
        return facts.map(fact => `${vendor}/${life.id} ${fact}`)
      })
    },
  }
}
