import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Tables and columns of SQLite. */
export const sqliteCore: typeof import('drizzle-orm/sqlite-core') = require('drizzle-orm/sqlite-core')
/** Drizzle on a function that carries out statements. */
export const sqliteProxy: typeof import('drizzle-orm/sqlite-proxy') = require('drizzle-orm/sqlite-proxy')
