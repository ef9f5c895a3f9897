// A user service written by hand on Fastify: JSON schemas for what comes in and goes out, one access line.
// HTTP_ADDR, DB_DSN, TOTAL_AGE_MS.
const fastify = require('fastify')
const { isDuplicate, userStore } = require('./users.cjs')

const user = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    email: { type: 'string' },
    phone: { type: 'string' },
    createdAt: { type: 'string' },
  },
}
const failure = {
  type: 'object',
  properties: {
    code: { type: 'integer' },
    reason: { type: 'string' },
    message: { type: 'string' },
  },
}

const app = fastify({
  logger: {
    base: { service: 'fastify-peer' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  },
  // Fastify's own lines are two for each request; the others of the comparison write one.
  disableRequestLogging: true,
})
const users = userStore(process.env.DB_DSN, Number(process.env.TOTAL_AGE_MS ?? 10_000))

app.addHook('onResponse', (req, reply, done) => {
  req.log.info(
    {
      method: req.method,
      path: req.url,
      route: req.routeOptions.url,
      code: reply.statusCode,
      latency: reply.elapsedTime / 1000,
    },
    'request',
  )
  done()
})

app.setErrorHandler((err, req, reply) => {
  if (isDuplicate(err))
    return reply
      .code(409)
      .send({ code: 409, reason: 'USER_ALREADY_EXISTS', message: 'this mail address is taken' })
  if (err.validation)
    return reply.code(400).send({ code: 400, reason: 'INVALID_USER_INPUT', message: err.message })
  req.log.error({ err }, 'failed')
  return reply.code(500).send({ code: 500, reason: 'INTERNAL', message: 'internal' })
})

app.post('/v1/users', {
  schema: {
    body: {
      type: 'object',
      required: ['name', 'email'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 100 },
        email: { type: 'string', format: 'email', maxLength: 254 },
        phone: { type: 'string', pattern: '^([0-9 +().-]{3,32})?$' },
      },
    },
    response: { 200: user, '4xx': failure },
  },
  handler: (req) => users.create(req.body),
})

app.get('/v1/users/:id', {
  schema: {
    params: {
      type: 'object',
      properties: { id: { type: 'integer', exclusiveMinimum: 0 } },
    },
    response: { 200: user, '4xx': failure },
  },
  async handler(req, reply) {
    const found = await users.get(req.params.id)
    if (found) return found
    return reply
      .code(404)
      .send({ code: 404, reason: 'USER_NOT_FOUND', message: `there is no user ${req.params.id}` })
  },
})

app.get('/v1/users', {
  schema: {
    querystring: {
      type: 'object',
      properties: {
        page: { type: 'integer', minimum: 0 },
        page_size: { type: 'integer', minimum: 0 },
      },
    },
    response: {
      200: {
        type: 'object',
        properties: { users: { type: 'array', items: user }, total: { type: 'integer' } },
      },
      '4xx': failure,
    },
  },
  handler: (req) => users.list(req.query.page, req.query.page_size),
})

const { hostname: host, port } = new URL(`http://${process.env.HTTP_ADDR}`)
app.listen({ host, port: Number(port) }).catch((err) => {
  app.log.fatal({ err }, 'cannot listen')
  process.exitCode = 1
})
