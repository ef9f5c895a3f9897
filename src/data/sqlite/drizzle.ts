import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const sqliteCore: typeof import('drizzle-orm/sqlite-core') = require('drizzle-orm/sqlite-core')
export const sqliteProxy: typeof import('drizzle-orm/sqlite-proxy') = require('drizzle-orm/sqlite-proxy')
