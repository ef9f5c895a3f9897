import {
  create,
  createFileRegistry,
  fromJson,
  type Message,
  setExtension,
} from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  MethodOptionsSchema,
} from '@bufbuild/protobuf/wkt'
import fastify, { type FastifyInstance } from 'fastify'
import type { UserUsecase } from '../../src/biz/user.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { http } from '../../src/gen/google/api/annotations_pb.ts'
import { HttpRuleSchema } from '../../src/gen/google/api/http_pb.ts'
import { fastifyRestPlugin } from '../../src/rest/plugin.ts'
import { restServerOptions } from '../../src/rest/server-options.ts'
import { userService } from '../../src/service/user.ts'

const createdAt = new Date(1_795_225_676_000)

/** GetUser as the service has it, over users that cost nothing to find: only the way there is measured. */
const users = userService({
  async get(id: bigint) {
    return { id, name: 'Ada Lovelace', email: 'ada@example.com', phone: '+44 20 7946', createdAt }
  },
} as unknown as UserUsecase)

type GetUser = (request: { id: bigint }, context: { signal: AbortSignal }) => Promise<Reply>
interface Reply {
  id: bigint
  name: string
  email: string
  phone: string
  createdAt: bigint
}

// Connect's contract: the signal of a call aborts when its client leaves and when it is completed.
const callIsOver = new Error('the call is over')

/** The route as one would write it without the plugin: id checked, client watched, reply as JSON. */
export function handWritten(): FastifyInstance {
  const getUser = users.getUser as unknown as GetUser
  const app = fastify()
  app.get<{ Params: { id: string } }>('/v1/users/:id', async (request, reply) => {
    const { id } = request.params
    if (!/^\d{1,18}$/.test(id))
      return reply.code(400).send({ code: 400, reason: 'INVALID_PARAMETER', message: 'id' })
    const controller = new AbortController()
    reply.raw.once('close', () => controller.abort(callIsOver))
    const user = await getUser({ id: BigInt(id) }, { signal: controller.signal })
    return {
      id: String(user.id),
      name: user.name,
      email: user.email,
      phone: user.phone,
      createdAt: String(user.createdAt),
    }
  })
  return app
}

export function withPlugin(): FastifyInstance {
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, { routes: (router) => router.service(User, users) })
  return app
}

/** A template and a path for each number: literals, variables, a verb, one or several segments. */
const shapes = [
  (at: number) => [`/v1/kind${at}/{id}`, `/v1/kind${at}/7`],
  (at: number) => [`/v1/parents/{parent}/kind${at}/{id}`, `/v1/parents/p/kind${at}/7`],
  (at: number) => [`/v1/{name=kind${at}/*/parts/*}`, `/v1/kind${at}/a/parts/b`],
  (at: number) => [`/v1/kind${at}/{id}:archive`, `/v1/kind${at}/7:archive`],
] as const

/** The n-th template and a path that it matches. */
export function templateAt(at: number): { template: string; path: string } {
  const [template = '', path = ''] = shapes[at % shapes.length]?.(at) ?? []
  return { template, path }
}

/** A service of as many methods, each with a template of its own and an empty reply. */
export function withTemplates(count: number): FastifyInstance {
  const string = (name: string, number: number) => ({
    name,
    jsonName: name,
    number,
    type: Type.STRING,
    label: Label.OPTIONAL,
  })
  const method = Array.from({ length: count }, (_, at) => {
    const options = create(MethodOptionsSchema)
    setExtension(options, http, fromJson(HttpRuleSchema, { get: templateAt(at).template }))
    return { name: `Get${at}`, inputType: '.bench.Req', outputType: '.bench.Rep', options }
  })
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    package: 'bench',
    syntax: 'proto3',
    messageType: [
      { name: 'Req', field: [string('id', 1), string('parent', 2), string('name', 3)] },
      { name: 'Rep', field: [string('id', 1)] },
    ],
    service: [{ name: 'Bench', method }],
  })
  const service = createFileRegistry(file, () => undefined).getService('bench.Bench')
  if (service === undefined) throw new Error('the schema has no service')
  const handlers = service.methods.map(({ localName, output }) => {
    const reply: Message = create(output)
    return [localName, () => reply]
  })
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.service(service, Object.fromEntries(handlers) as never),
  })
  return app
}
