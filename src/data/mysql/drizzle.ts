import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Tables and columns of MySQL. */
export const mysqlCore: typeof import('drizzle-orm/mysql-core') = require('drizzle-orm/mysql-core')
/** Drizzle on connections of mysql2. */
export const mysqlDriver: typeof import('drizzle-orm/mysql2') = require('drizzle-orm/mysql2')
