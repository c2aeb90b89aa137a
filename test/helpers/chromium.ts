import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where Chromium is; null after saying that it is missing. With CI=true that is an error instead. */
export function chromiumBinary(): string | null {
  const found = PLACES.find(existsSync)
  if (found) return found
  const message = 'No Chromium for the tests (apt-get install chromium).'
  if (process.env.CI === 'true') throw new Error(message)
  console.warn(`SKIPPED: ${message}`)
  return null
}

/** A real browser without a window. In a container it has no sandbox of its own; drawing without a GPU process costs less. */
export const openChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
