import { z } from 'zod'

/** An instant as it travels: RFC 3339, UTC, milliseconds, e.g. `2026-03-02T10:15:30.000Z`. */
export const Timestamp = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

/** An amount of money: a decimal string with exactly the minor digits of its currency, e.g. `"19.99"`, `"1200"` (JPY). */
export const Amount = z.string().regex(/^\d+(\.\d+)?$/)

/** ISO 4217, upper case. */
export const Currency = z.string().regex(/^[A-Z]{3}$/, 'an ISO 4217 currency, three capital letters such as "USD"')

/** Ids of connections and destinations: chosen by people, used in URLs, file names and metric labels. */
export const Slug = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'letters, digits, ".", "_" and "-", at most 64, starting with a letter or digit',
  )

/** Names what a source reads. Open: sources may be added by anyone. */
export const Vendor = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'small letters, digits, "_" and "-", at most 32, starting with a letter')
export type Vendor = z.infer<typeof Vendor>

export const HttpUrl = z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).refine(url => {
  if (!URL.canParse(url)) return true // said already, by the check above
  const { username, password } = new URL(url)
  return !username && !password
}, 'a URL without user name and password')
