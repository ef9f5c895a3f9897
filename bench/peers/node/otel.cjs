// OpenTelemetry as its guides wire it: `node --require ./otel.cjs fastify.cjs`. The exporter and the
// sampler come from OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
const { NodeSDK } = require('@opentelemetry/sdk-node')
const { FastifyInstrumentation } = require('@opentelemetry/instrumentation-fastify')
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
const { MySQL2Instrumentation } = require('@opentelemetry/instrumentation-mysql2')

new NodeSDK({
  instrumentations: [
    new HttpInstrumentation(),
    new FastifyInstrumentation(),
    new MySQL2Instrumentation(),
  ],
}).start()
