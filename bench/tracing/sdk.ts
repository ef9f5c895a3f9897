// The five spans of a call as OpenTelemetry's SDK makes them: the same names, kinds and attributes, its
// batches and its OTLP exporter. What the recorder of src/telemetry/trace is compared with.
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Attributes, type Context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

const server = {
  'http.request.method': 'GET',
  'url.path': '/v1/users/1',
  'http.route': '/v1/users/{id}',
  'url.scheme': 'http',
  'network.protocol.version': '1.1',
  'server.address': 'localhost',
  'server.port': 8000,
  'client.address': '127.0.0.1',
  'network.peer.address': '127.0.0.1',
  'network.peer.port': 50_000,
  'user_agent.original': 'bench',
  'exchange.protocol': 'rest',
  'rpc.method': 'api.user.v1.User/GetUser',
  'rpc.system': 'http',
  'rpc.service': 'api.user.v1.User',
}
const answered = { 'http.response.status_code': 200, 'rpc.status_code': 200 }

/** Calls `query` inside of five spans, which go to the collector at `url`. */
export function sdkCalls(sql: string, url: string) {
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'user-service' }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter, maxExportBatchSize: 512, maxQueueSize: 20_000 }),
    ],
  })
  const tracer = provider.getTracer('user-service', 'bench')
  const active = new AsyncLocalStorage<Context>()
  const statement = {
    'db.system.name': 'mysql',
    'db.namespace': 'users',
    'db.operation.name': 'SELECT',
    'db.collection.name': 'users',
    'db.query.summary': 'SELECT users',
    'db.query.text': sql,
  }

  async function spanned<T>(
    name: string,
    { kind = SpanKind.INTERNAL, begun, ended }: Described,
    work: () => Promise<T>,
  ): Promise<T> {
    const parent = active.getStore() ?? ROOT_CONTEXT
    const options = { kind, ...(begun && { attributes: begun }) }
    const span = tracer.startSpan(name, options, parent)
    try {
      return await active.run(trace.setSpan(parent, span), work)
    } finally {
      if (ended) span.setAttributes(ended)
      span.end()
    }
  }

  function call<T>(query: () => Promise<T>): Promise<T> {
    const find = () =>
      spanned('SELECT users', { kind: SpanKind.CLIENT, begun: { ...statement } }, query)
    const get = () => spanned('UserRepo.Find', {}, find)
    const getUser = () => spanned('UserUseCase.Get', { begun: { 'user.id': '1' } }, get)
    const serve = () => spanned('UserService.GetUser', {}, getUser)
    const begun = { ...server }
    const kind = SpanKind.SERVER
    return spanned('GET /v1/users/{id}', { kind, begun, ended: { ...answered } }, serve)
  }
  return { call, flush: () => provider.forceFlush() }
}

interface Described {
  kind?: SpanKind
  begun?: Attributes
  ended?: Attributes
}
