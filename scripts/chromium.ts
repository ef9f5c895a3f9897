// The browser of the tests: Chromium or one that is made of it.
import { aptInstall, findProgram, isExecutable } from './program.ts'

const onMacOs = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

export function findBrowser(): string | undefined {
  return (
    findProgram('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ??
    onMacOs.find(isExecutable)
  )
}

/**
 * The browser in TEST_BROWSER, else an installed one, else Chromium, installed with apt-get.
 * Undefined if none.
 */
export function testBrowser(): string | undefined {
  const found = process.env.TEST_BROWSER ?? findBrowser()
  if (found !== undefined || !aptInstall('chromium', 'No Chromium found')) return found
  return findBrowser()
}
