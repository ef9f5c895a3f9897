import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'mysql',
  schema: './src/data/mysql/schema',
  out: './migrations/mysql',
})
