// biome-ignore lint/suspicious/noControlCharactersInRegex: an address holds none of these
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** The address unchanged, if it is http or https without credentials and control characters; else null. */
export function webAddress(text: string | null): string | null {
  if (text === null || !/^https?:\/\/[^\\/]/i.test(text) || CONTROL.test(text)) return null
  const url = URL.parse(text)
  return url === null || url.username !== '' || url.password !== '' ? null : text
}
