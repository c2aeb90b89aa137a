import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Vault, VaultClaim } from '../define-source.ts'

/** The access token of one Tuya project, shared by its connections: a new token replaces a valid one, and a refresh token is good for one use. */

export interface ProjectToken {
  readonly access: string
  readonly refresh: string | null
  /** When it is to be renewed, by our wall clock, milliseconds. */
  readonly renewAt: number
}

/** A token that the vendor refused. */
interface Refused {
  readonly access: string
  /** The vendor does not know it any more, so its refresh token is void as well. */
  readonly replaced: boolean
}

/** Asks the vendor. `refresh` null: for a new token. Resolves with null where the refresh token was used up. */
type AskForToken = (refresh: string | null) => Promise<ProjectToken | null>

export interface TokenKeeper {
  /** The token to use now, instead of the one refused. `ask` is called only where no valid one is known, by one caller at a time. */
  tokenFor(ask: AskForToken, signal: AbortSignal, refused?: Refused): Promise<ProjectToken>
}

const Stored = z.object({ access: z.string(), refresh: z.string().nullable(), renewAt: z.number() })
const LOOK_AGAIN_MS = 200

/** Without a vault the token is known to this process only. */
export function createTokenKeeper({ clock, vault }: { clock: Clock; vault?: Vault }): TokenKeeper {
  let known: ProjectToken | null = null
  /** By the monotonic clock: a wall clock that jumps ends no token. */
  let knownUntil = 0
  let renewing: Promise<ProjectToken> | null = null

  const usable = (token: ProjectToken | null, refused: Refused | undefined): ProjectToken | null =>
    token !== null && token.access !== refused?.access && clock.now() < token.renewAt ? token : null

  function keep(token: ProjectToken): void {
    if (token === known) return
    known = token
    knownUntil = clock.monotonic() + token.renewAt - clock.now()
  }

  async function renew(ask: AskForToken, signal: AbortSignal, refused: Refused | undefined): Promise<ProjectToken> {
    if (!vault) return asked(ask, known, refused, async () => {})
    for (;;) {
      const found = usable(parsed((await vault.read())?.text), refused)
      if (found) return found
      const claim = await vault.claim()
      if (claim) return renewInVault(vault, claim, ask, refused)
      await clock.sleep(LOOK_AGAIN_MS, signal)
      if (signal.aborted) throw calledOff(signal)
    }
  }

  async function renewInVault(
    { read, write }: Vault,
    claim: VaultClaim,
    ask: AskForToken,
    refused: Refused | undefined,
  ): Promise<ProjectToken> {
    try {
      // Another process may have renewed it just before this one got the claim.
      const entry = await read()
      const last = parsed(entry?.text)
      const found = usable(last, refused)
      if (found) return found
      const token = await asked(ask, last ?? known, refused, async () => void (await claim.extend()))
      await write(JSON.stringify(token), entry?.version ?? 0)
      return token
    } finally {
      await claim.release()
    }
  }

  async function asked(
    ask: AskForToken,
    last: ProjectToken | null,
    refused: Refused | undefined,
    between: () => Promise<void>,
  ): Promise<ProjectToken> {
    const isVoid = refused?.replaced === true && (last === null || last.access === refused.access)
    const refresh = isVoid ? null : (last?.refresh ?? null)
    const refreshed = refresh === null ? null : await ask(refresh)
    if (refreshed) return refreshed
    if (refresh !== null) await between()
    const granted = await ask(null)
    if (granted) return granted
    throw new AppError('The vendor granted no token. It is tried again.', { code: 'tuya.malformed', intent: 'retry' })
  }

  return {
    async tokenFor(ask, signal, refused) {
      for (;;) {
        if (known && known.access !== refused?.access && clock.monotonic() < knownUntil) return known
        const mine = renewing === null
        renewing ??= renew(ask, signal, refused).finally(() => {
          renewing = null
        })
        try {
          const token = await renewing
          keep(token)
          if (mine || token.access !== refused?.access) return token
        } catch (error) {
          if (mine) throw error
          // Another connection of the project asked, and may have been called off.
          if (signal.aborted) throw calledOff(signal)
          if (!(error instanceof AppError) || error.code !== 'vendor.aborted') throw error
        }
      }
    },
  }
}

function parsed(text: string | undefined): ProjectToken | null {
  try {
    return text === undefined ? null : Stored.parse(JSON.parse(text))
  } catch {
    return null
  }
}

const calledOff = (signal: AbortSignal): AppError =>
  new AppError('The request was called off.', { code: 'vendor.aborted', intent: 'retry', cause: signal.reason })
