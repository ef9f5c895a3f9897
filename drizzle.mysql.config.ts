import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'mysql',
  schema: './src/data/mysql/schema.ts',
  out: './migrations/mysql',
})
