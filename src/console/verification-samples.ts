import { readFileSync } from 'node:fs'

/** How receivers check a signature, by language: the blocks of `docs/receiving.md`, which its tests run. */

const LANGUAGES: Readonly<Record<string, string>> = {
  js: 'JavaScript (Node)',
  python: 'Python',
  go: 'Go',
  php: 'PHP',
  ruby: 'Ruby',
  csharp: 'C#',
  java: 'Java',
}

let read: readonly (readonly [string, string])[] | null = null

/** The name of each language and its code. */
export function verificationSamples(): readonly (readonly [string, string])[] {
  read ??= samplesIn(guide())
  return read
}

/** In the repository, and one folder deeper in the package. */
function guide(): string {
  for (const path of ['../../docs/receiving.md', '../../../docs/receiving.md'])
    try {
      return readFileSync(new URL(path, import.meta.url), 'utf8')
    } catch {
      // The other one.
    }
  return ''
}

function samplesIn(text: string): readonly (readonly [string, string])[] {
  const [, part = ''] = text.split('## Without the package')
  const [own = ''] = part.split(/^## /m)
  return [...own.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].flatMap(([, language = '', code = '']) => {
    const name = LANGUAGES[language]
    return name ? [[name, code] as const] : []
  })
}
