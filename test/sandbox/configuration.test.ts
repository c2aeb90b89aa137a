import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SANDBOX_CONFIGURATION } from '../../src/sandbox/configuration.ts'

const codeOf = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/\n|^ *\/\/.*\n/gm, '')

test('the sandbox that init writes is the one of this repository, and may deliver to this machine', () => {
  const ours = codeOf(readFileSync(new URL('../../orderwire.config.ts', import.meta.url), 'utf8'))
  const network = "  network: { allow: ['127.0.0.0/8', '::1/128'] },\n"
  expect(codeOf(SANDBOX_CONFIGURATION)).toContain(network)
  expect(codeOf(SANDBOX_CONFIGURATION).replace(network, '')).toBe(ours)
})
