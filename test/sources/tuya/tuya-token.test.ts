import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import type { Vault } from '../../../src/sources/define-source.ts'
import { createTokenKeeper, type ProjectToken } from '../../../src/sources/tuya/tuya-token.ts'

const clock = systemClock()
const { signal } = new AbortController()

/** The vendor: each token replaces the one before, and its refresh token is good for one use. */
function vendor({ lifetimeMs = 3_600_000 } = {}) {
  const asked: (string | null)[] = []
  let latest = ''
  return {
    asked,
    isValid: (access: string) => access === `access-${latest}`,
    ask: async (refresh: string | null): Promise<ProjectToken | null> => {
      asked.push(refresh)
      if (refresh !== null && refresh !== `refresh-${latest}`) return null
      latest = String(asked.length)
      return { access: `access-${latest}`, refresh: `refresh-${latest}`, renewAt: clock.now() + lifetimeMs }
    },
  }
}

/** What processes have in common. */
function memoryVault() {
  let entry: { text: string; version: number } | null = null
  let claimed = false
  const vault: Vault = {
    read: async () => entry,
    async write(text, version) {
      if ((entry?.version ?? 0) !== version) return false
      entry = { text, version: version + 1 }
      return true
    },
    async claim() {
      if (claimed) return null
      claimed = true
      return {
        extend: async () => true,
        async release() {
          claimed = false
        },
      }
    },
  }
  return vault
}

describe('case 50: the token of one project', () => {
  test('is asked for once by all who want it at the same time', async () => {
    const { ask, asked } = vendor()
    const keeper = createTokenKeeper({ clock })
    const tokens = await Promise.all(Array.from({ length: 20 }, () => keeper.tokenFor(ask, signal)))
    expect(new Set(tokens.map(({ access }) => access))).toEqual(new Set(['access-1']))
    expect(asked).toEqual([null])
  })

  test('is asked for once by two processes that start at the same time', async () => {
    const { ask, asked } = vendor()
    const vault = memoryVault()
    const keepers = [createTokenKeeper({ clock, vault }), createTokenKeeper({ clock, vault })]
    const tokens = await Promise.all(keepers.map(keeper => keeper.tokenFor(ask, signal)))
    expect(tokens.map(({ access }) => access)).toEqual(['access-1', 'access-1'])
    expect(asked).toEqual([null])
  })

  test('case 15: refused in both processes is renewed by one of them, with the refresh token, and read by the other', async () => {
    const { ask, asked } = vendor()
    const vault = memoryVault()
    const [one, two] = [createTokenKeeper({ clock, vault }), createTokenKeeper({ clock, vault })]
    const refused = { access: (await one.tokenFor(ask, signal)).access, replaced: false }
    await two.tokenFor(ask, signal)
    const renewed = await Promise.all([one.tokenFor(ask, signal, refused), two.tokenFor(ask, signal, refused)])
    expect(renewed.map(({ access }) => access)).toEqual(['access-2', 'access-2'])
    expect(asked).toEqual([null, 'refresh-1'])
  })

  test('case 15: replaced by somebody else is granted anew, for its refresh token is void', async () => {
    const { ask, asked } = vendor()
    const keeper = createTokenKeeper({ clock, vault: memoryVault() })
    const { access } = await keeper.tokenFor(ask, signal)
    expect((await keeper.tokenFor(ask, signal, { access, replaced: true })).access).toBe('access-2')
    expect(asked).toEqual([null, null])
  })

  test('is not asked for after a restart while the stored one is valid', async () => {
    const { ask, asked } = vendor()
    const vault = memoryVault()
    await createTokenKeeper({ clock, vault }).tokenFor(ask, signal)
    expect((await createTokenKeeper({ clock, vault }).tokenFor(ask, signal)).access).toBe('access-1')
    expect(asked).toEqual([null])
  })

  test('is granted anew where the refresh token was used up or what is stored cannot be read', async () => {
    const { ask, asked } = vendor({ lifetimeMs: 0 })
    const vault = memoryVault()
    const keeper = createTokenKeeper({ clock, vault })
    await keeper.tokenFor(ask, signal)
    await ask(null)
    expect((await keeper.tokenFor(ask, signal)).access).toBe('access-4')
    expect(asked).toEqual([null, null, 'refresh-1', null])
    await vault.write('', 2)
    await createTokenKeeper({ clock, vault }).tokenFor(ask, signal)
    expect(asked.at(-1)).toBeNull()
  })

  test('is asked for again by those who waited where the first to ask was called off', async () => {
    const { ask } = vendor()
    const keeper = createTokenKeeper({ clock })
    let callOff = () => {}
    const hanging = () =>
      new Promise<never>((_, reject) => {
        callOff = () => reject(new AppError('The request was called off.', { code: 'vendor.aborted', intent: 'retry' }))
      })
    const first = keeper.tokenFor(hanging, signal)
    const second = keeper.tokenFor(ask, signal)
    callOff()
    await expect(first).rejects.toMatchObject({ code: 'vendor.aborted' })
    expect((await second).access).toBe('access-1')
  })

  test('is not waited for any longer once the request is called off', async () => {
    const vault = { ...memoryVault(), claim: async () => null }
    const stop = new AbortController()
    const waiting = createTokenKeeper({ clock, vault }).tokenFor(vendor().ask, stop.signal)
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'vendor.aborted' })
  })
})
