import type { Message } from '@bufbuild/protobuf'
import { createValidator } from '@bufbuild/protovalidate'
import type { ConnectRouter } from '@connectrpc/connect'
import { compileRoutes } from '../../src/rest/compiled-route.ts'
import { restDocument } from '../../src/rest/openapi/document.ts'
import { admission } from '../../src/server/admission/admission.ts'
import { readiness } from '../../src/server/health/readiness.ts'
import { httpServer } from '../../src/server/http.ts'
import { serviceIn, testProtos } from './descriptors.ts'
import { limits } from './listen.ts'
import { patientStreams } from '../help/limits.ts'

const echo = serviceIn(testProtos(), 'test.rest.v1.Echo')
const methods = Object.fromEntries(
  echo.methods.map(({ localName }) => [localName, (message: Message) => message]),
)
const routes = (router: ConnectRouter) => router.service(echo, methods as never)

/**
 * The REST port as the service has it, with Echo of test/rest/protos in the place of its own
 * methods, and with the OpenAPI document of Echo.
 */
export function echoServer() {
  return httpServer(
    {
      routes,
      interceptors: [],
      observers: [],
      limits: { ...limits, maxBodyBytes: 1024 * 1024 },
      admission: admission({ maxActive: 1000, maxCalls: 1000 }),
      streams: patientStreams(),
      tls: undefined,
      origins: [],
    },
    readiness({}),
    { version: '1', rpcAddress: '', documents },
  )
}

function documents() {
  const targets = compileRoutes({ routes }).routes.map(({ target }) => target)
  const text = { title: 'Echo', version: '1', description: 'Answers requests with themselves.' }
  const rest = restDocument(targets, {
    ...text,
    comments: {},
    emitDefaults: true,
    validator: createValidator(),
  })
  const none = { json: '{}', yaml: '{}' }
  return Promise.resolve({ rest: { json: JSON.stringify(rest), yaml: '' }, connect: none })
}
