import { createRequire } from 'node:module'

// Drizzle's ESM entry costs several times the start-up time and memory of its CommonJS entry (figures
// in docs/adr/0003), so this is the only file that loads it.
const require = createRequire(import.meta.url)

export const drizzleOrm: typeof import('drizzle-orm') = require('drizzle-orm')
export const mysqlCore: typeof import('drizzle-orm/mysql-core') = require('drizzle-orm/mysql-core')
export const mysqlDriver: typeof import('drizzle-orm/mysql2') = require('drizzle-orm/mysql2')
export const sqliteCore: typeof import('drizzle-orm/sqlite-core') = require('drizzle-orm/sqlite-core')
export const sqliteProxy: typeof import('drizzle-orm/sqlite-proxy') = require('drizzle-orm/sqlite-proxy')
