import type { ConnectRouter } from '@connectrpc/connect'
import { test } from 'tap'
import { admission } from '../../../src/server/admission/admission.ts'
import type { DocsOptions } from '../../../src/server/docs/docs-routes.ts'
import { readiness } from '../../../src/server/health/readiness.ts'
import { httpServer } from '../../../src/server/http.ts'
import { patientLimits, patientStreams } from '../../help/limits.ts'
import { compileSchema } from '../../rest/schema.ts'

/** The REST port with one method at a path. */
function serving(path: string, documents: DocsOptions['documents']) {
  const { service } = compileSchema({
    messages: { Empty: '' },
    methods: { Take: ['Empty', 'Empty', { get: path }] },
  })
  const options = {
    routes: (router: ConnectRouter) => router.service(service, {}),
    interceptors: [],
    observers: [],
    limits: { ...patientLimits, maxBodyBytes: 1000 },
    admission: admission({ maxActive: 10, maxCalls: 10 }),
    streams: patientStreams(),
    tls: undefined,
    origins: [],
  }
  return httpServer(options, readiness({}), { version: '', rpcAddress: '', documents }).app
}

const none = () => Promise.reject(new Error('is not called'))

test('a binding at a path of the documentation fails at start, and both are named', async (t) => {
  for (const path of ['/docs', '/docs/x', '/openapi.json', '/openapi.connect.yaml']) {
    const app = serving(path, none)
    const message = new RegExp(`test.v1.Test.Take \\(GET /.*\\) is at /.*, where .*documentation`)
    await t.rejects(async () => app.ready(), { message }, path)
    await t.resolves(async () => serving(path, undefined).ready())
  }
  await t.rejects(async () => serving('/healthz', undefined).ready(), /Take .* a health check/)
  await t.resolves(async () => serving('/docs2', none).ready())
})
