import { createRequire } from 'node:module'

// Drizzle's ESM entry costs several times the start-up time and memory of its CommonJS entry (figures
// in docs/adr/0003), so only this file and those of its name in the databases' folders load it.
const require = createRequire(import.meta.url)

/** Drizzle's operators and its `sql` template. */
export const drizzleOrm: typeof import('drizzle-orm') = require('drizzle-orm')
