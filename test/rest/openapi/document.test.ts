import { createValidator } from '@bufbuild/protovalidate'
import type { ConnectRouter } from '@connectrpc/connect'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { comments } from '../../../src/gen/comments.ts'
import { compileRoutes } from '../../../src/rest/compiled-route.ts'
import { connectDocument } from '../../../src/rest/openapi/connect-document.ts'
import { restDocument } from '../../../src/rest/openapi/document.ts'
import { serviceIn, testProtos } from '../descriptors.ts'
import { isValid } from './valid.ts'

const options = {
  title: 'test',
  version: '1',
  description: '',
  comments,
  emitDefaults: true,
  validator: createValidator(),
}

function documentOf(routes: (router: ConnectRouter) => unknown) {
  const targets = compileRoutes({ routes }).routes.map(({ target }) => target)
  return restDocument(targets, options)
}

const users = documentOf((router) => router.service(User, {}))
const registry = testProtos()

test('the document of users is valid', async (t) => {
  await isValid(t, users)
  await isValid(t, connectDocument(User.methods, { ...options, emitDefaults: false }))
})

test('documents of other services are valid', async (t) => {
  for (const name of ['test.rest.v1.Echo', 'google.showcase.v1beta1.Compliance'])
    await isValid(
      t,
      documentOf((router) => router.service(serviceIn(registry, name), {})),
    )
})

test('a schema has the limits, the comments and the required fields of its message', async (t) => {
  t.match(users.components, {
    schemas: {
      'api.user.v1.CreateUserRequest': {
        required: ['name', 'email'],
        properties: {
          name: { type: 'string', description: /^1 to 100 characters/ },
          email: { format: 'email', maxLength: 254 },
          phone: { pattern: '^([0-9 +().-]{3,32})?$' },
        },
      },
      'api.user.v1.GetUserReply': {
        required: ['id', 'name', 'email', 'phone', 'createdAt'],
        properties: { id: { type: 'string', format: 'int64' } },
      },
    },
  })
})

test('an operation has its path, query, conditions and the reasons of its errors', async (t) => {
  const { get, patch } = users.paths['/v1/users/{id}'] ?? {}
  t.match(get, {
    operationId: 'User_GetUser',
    parameters: [
      { name: 'id', in: 'path', schema: { pattern: '^[1-9][0-9]{0,18}$' } },
      { $ref: '#/components/parameters/IfMatch' },
    ],
    responses: { 304: {}, 404: { description: '`USER_NOT_FOUND`, `ROUTE_NOT_FOUND`' } },
  })
  t.match(patch, {
    requestBody: { content: { 'application/merge-patch+json': {} } },
    responses: { 409: { description: '`USER_ALREADY_EXISTS`' }, 412: {}, 413: {}, 415: {} },
  })
  t.notHas(get, { responses: { 413: {} } }, 'a read has no body that could be too large')
})
