// A user service written by hand on @grpc/grpc-js, with one access line. GRPC_ADDR, DB_DSN, TOTAL_AGE_MS.
const path = require('node:path')
const grpc = require('@grpc/grpc-js')
const { loadSync } = require('@grpc/proto-loader')
const pino = require('pino')
const { isDuplicate, userStore } = require('./users.cjs')

const definition = loadSync(path.join(__dirname, '../proto/user.proto'), {
  longs: Number,
  defaults: true,
})
const { User } = grpc.loadPackageDefinition(definition).api.user.v1
const log = pino({
  base: { service: 'grpc-js-peer' },
  timestamp: () => `,"time":"${new Date().toISOString()}"`,
})
const users = userStore(process.env.DB_DSN, Number(process.env.TOTAL_AGE_MS ?? 10_000))

class Refusal extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

const phone = /^([0-9 +().-]{3,32})?$/
const email = /^[^\s@]+@[^\s@]+$/

function checkUser(req) {
  const name = req.name.trim()
  if (name.length < 1 || name.length > 100)
    throw new Refusal(grpc.status.INVALID_ARGUMENT, 'name: must have 1 to 100 characters')
  if (req.email.length > 254 || !email.test(req.email))
    throw new Refusal(grpc.status.INVALID_ARGUMENT, 'email: must be a valid email address')
  if (!phone.test(req.phone)) throw new Refusal(grpc.status.INVALID_ARGUMENT, 'phone: is not valid')
}

/** A handler of grpc-js from an async function, with the access line. */
function unary(operation, handle) {
  async function answer(call, callback) {
    const begin = performance.now()
    let code = grpc.status.OK
    try {
      callback(null, await handle(call.request))
    } catch (err) {
      code = isDuplicate(err) ? grpc.status.ALREADY_EXISTS : (err.code ?? grpc.status.INTERNAL)
      if (typeof code !== 'number') code = grpc.status.INTERNAL
      if (code === grpc.status.INTERNAL) log.error({ err }, 'failed')
      callback({ code, details: code === grpc.status.INTERNAL ? 'internal' : err.message })
    }
    log.info({ operation, code, latency: (performance.now() - begin) / 1000 }, 'request')
  }
  return (call, callback) => void answer(call, callback)
}

const server = new grpc.Server()
server.addService(User.service, {
  CreateUser: unary('/api.user.v1.User/CreateUser', (req) => {
    checkUser(req)
    return users.create(req)
  }),
  GetUser: unary('/api.user.v1.User/GetUser', async ({ id }) => {
    if (id <= 0) throw new Refusal(grpc.status.INVALID_ARGUMENT, 'id: must be greater than 0')
    const user = await users.get(id)
    if (!user) throw new Refusal(grpc.status.NOT_FOUND, `there is no user ${id}`)
    return user
  }),
  ListUsers: unary('/api.user.v1.User/ListUsers', (req) => users.list(req.page, req.pageSize)),
})
server.bindAsync(process.env.GRPC_ADDR, grpc.ServerCredentials.createInsecure(), (err) => {
  if (err) throw err
})
