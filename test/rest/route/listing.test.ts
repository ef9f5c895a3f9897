import { text } from 'node:stream/consumers'
import fastify from 'fastify'
import { test } from 'tap'
import { advice } from '../../../src/rest/route/advice.ts'
import { routeListing } from '../../../src/rest/route/listing.ts'
import { fastifyRestPlugin } from '../../../src/rest/plugin.ts'
import { compileRoutes } from '../../../src/rest/compiled-route.ts'
import { spawnService } from '../../help/process.ts'
import { serviceIn, testProtos } from '../descriptors.ts'
import { compileSchema } from '../schema.ts'

const { service } = compileSchema({
  messages: { Req: 'string id; repeated string tags', Rep: 'string id' },
  methods: {
    Get: ['Req', 'Rep', { get: '/v1/things/{id}', responseBody: 'id' }],
    Tag: [
      'Req',
      'Rep',
      { put: '/v1/tags', body: 'tags', additionalBindings: [{ post: '/v1/tags', body: '*' }] },
    ],
    Remove: ['Req', 'Rep', { delete: '/v1/things', body: '*' }],
  },
})

const table = compileRoutes({ routes: (router) => router.service(service, {}) })

test('the listing has a line for each binding, sorted and aligned', async (t) => {
  t.equal(
    routeListing(table),
    `METHOD  TEMPLATE         RPC                  BODY
POST    /v1/tags         test.v1.Test/Tag     *
PUT     /v1/tags         test.v1.Test/Tag     tags
DELETE  /v1/things       test.v1.Test/Remove  *
GET     /v1/things/{id}  test.v1.Test/Get     - (answers id)
`,
  )
})

test('the command prints the routes of the service, without a database and Redis', async (t) => {
  const { child, exit } = spawnService(
    t,
    { DB_DSN: 'mysql://no:body@127.0.0.1:1/none', CACHE_REDIS: '127.0.0.1:1' },
    ['routes'],
  )
  const printed = child.stdout ? await text(child.stdout) : ''
  t.equal(await exit, 0)
  t.match(printed, /^METHOD +TEMPLATE +RPC +BODY\n/)
  t.match(printed, /^PATCH +\/v1\/users\/\{id\} +api\.user\.v1\.User\/UpdateUser +user$/m)
  t.equal(printed.trimEnd().split('\n').length, 17)
})

test('rules that work but are ill-advised are told at start', async (t) => {
  const told = advice(table.routes.map(({ target }) => target.binding))
  t.strictSame(told.toSorted(), [
    'test.v1.Test.Remove (DELETE /v1/things): a body of DELETE may be dropped on its way',
    'test.v1.Test.Tag (POST /v1/tags): the body differs from that of PUT /v1/tags',
    'test.v1.Test.Tag (PUT /v1/tags): the body is the repeated field tags, beside which none can be added',
  ])
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  const app = fastify({ logger: { stream } })
  void app.register(fastifyRestPlugin, { routes: (router) => router.service(service, {}) })
  await app.ready()
  t.equal(lines.filter((line) => line.includes('test.v1.Test.')).length, 3)
})

test('rules that are not served are told at start, with their file', async (t) => {
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  const app = fastify({ logger: { stream } })
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.service(serviceIn(testProtos(), 'test.rest.v1.Unserved'), {}),
  })
  await app.ready()
  const told = lines.map((line) => JSON.parse(line) as { level: number; msg: string })
  const reason =
    'is not served: its method streams in both directions, for which there are Connect and gRPC'
  t.strictSame(told.map(({ level, msg }) => `${level} ${msg}`).toSorted(), [
    `40 test/rest/v1/unserved.proto: test.rest.v1.Unserved.Talk (POST /v1/talk) ${reason}`,
    `40 test/rest/v1/unserved.proto: test.rest.v1.Unserved.Talk (POST /v1/talk/{text}) ${reason}`,
  ])
  t.equal((await app.inject({ method: 'POST', url: '/v1/talk' })).statusCode, 404)
})

test('two rules for the same paths reject the registration and name both methods', async (t) => {
  const { service } = compileSchema({
    messages: { Req: 'string id', Rep: 'string id' },
    methods: {
      One: ['Req', 'Rep', { get: '/v1/{id}' }],
      Two: ['Req', 'Rep', { get: '/v1/{id=*}' }],
    },
  })
  const app = fastify()
  void app.register(fastifyRestPlugin, { routes: (router) => router.service(service, {}) })
  const err = await t.rejects(async () => app.ready())
  t.match(err, { message: /ambiguous.*test\.v1\.Test\.Two.*test\.v1\.Test\.One/ })
})
