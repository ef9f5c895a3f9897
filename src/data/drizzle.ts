import { createRequire } from 'node:module'

// Drizzle's ESM entry costs some 400 ms at start and 250 MB of memory, its CommonJS entry a fifth of
// that; so this is the only file that loads it.
const require = createRequire(import.meta.url)

export const drizzleOrm: typeof import('drizzle-orm') = require('drizzle-orm')
export const mysqlCore: typeof import('drizzle-orm/mysql-core') = require('drizzle-orm/mysql-core')
export const mysqlDriver: typeof import('drizzle-orm/mysql2') = require('drizzle-orm/mysql2')
export const sqliteCore: typeof import('drizzle-orm/sqlite-core') = require('drizzle-orm/sqlite-core')
export const sqliteProxy: typeof import('drizzle-orm/sqlite-proxy') = require('drizzle-orm/sqlite-proxy')
