export default {
  dialect: 'sqlite',
  schema: './src/data/sqlite/schema',
  out: './migrations/sqlite',
}
