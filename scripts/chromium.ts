// The browser of the tests: Chromium or one that is made of it.
import { findProgram, isExecutable } from './program.ts'

const onMacOs = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** The browser in TEST_BROWSER, else an installed one. */
export function findBrowser(): string | undefined {
  return (
    process.env.TEST_BROWSER ??
    findProgram('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ??
    onMacOs.find(isExecutable)
  )
}
