import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const mysqlCore: typeof import('drizzle-orm/mysql-core') = require('drizzle-orm/mysql-core')
export const mysqlDriver: typeof import('drizzle-orm/mysql2') = require('drizzle-orm/mysql2')
