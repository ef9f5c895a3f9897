import { createValidator } from '@bufbuild/protovalidate'
import { test } from 'tap'
import { compileRoutes } from '../../../src/rest/compiled-route.ts'
import { restDocument } from '../../../src/rest/openapi/document.ts'
import { streams } from '../stream/serve-streams.ts'
import { isValid } from './valid.ts'

const routes = compileRoutes({ routes: (router) => router.service(streams, {}) })
const document = restDocument(
  routes.routes.map(({ target }) => target),
  {
    title: 'test',
    version: '1',
    description: '',
    comments: {},
    emitDefaults: true,
    validator: createValidator(),
  },
)

interface Operation {
  responses: Record<string, { content: object } | undefined>
  requestBody: { content: object }
}

const operationOf = (path: string, method: string) =>
  document.paths[path]?.[method] as unknown as Operation

test('a stream has one content for each of its forms', async (t) => {
  await isValid(t, document)
  const { responses } = operationOf('/v1/{room}/events', 'get')
  const event = { $ref: '#/components/schemas/test.rest.v1.Event' }
  t.strictSame(responses['200']?.content, {
    'application/json': { schema: { type: 'array', items: event } },
    'application/protojson': { schema: { type: 'array', items: event } },
    'application/x-ndjson': { schema: event, 'x-stream': true },
    'text/event-stream': { schema: event, 'x-stream': true },
  })
  t.equal(responses['304'], undefined, 'a stream has no entity tag')
  t.match(JSON.stringify(responses['503']), 'SHUTTING_DOWN')
  const { requestBody } = operationOf('/v1/{room}/tags', 'post')
  t.match(requestBody.content, {
    'application/x-ndjson': { schema: {}, 'x-stream': true },
    'application/json': { schema: { type: 'array' } },
  })
})

test('bytes have any type', (t) => {
  const { responses, requestBody } = operationOf('/v1/{room}/picture', 'put')
  t.strictSame(responses['200']?.content, { '*/*': {} })
  t.strictSame(requestBody.content, { '*/*': {} })
  t.strictSame(operationOf('/v1/{room}/file', 'get').responses['200']?.content, { '*/*': {} })
  t.end()
})
