/** A time as a person types it into a field: RFC 3339 without seconds or zone is UTC. Anything else is left to the API, which says what it expects. */
export function instantOf(text: string | null): string | undefined {
  const given = text?.trim()
  if (!given) return undefined
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i.exec(given)
  if (!parts) return given
  const [, day, minute, seconds = ':00', zone = 'Z'] = parts
  return `${day}T${minute}${seconds}${zone.toUpperCase()}`
}
