export default {
  dialect: 'mysql',
  schema: './src/data/mysql/schema',
  out: './migrations/mysql',
}
