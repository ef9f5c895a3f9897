import { register } from 'node:module'
import { registerInstrumentations } from '@opentelemetry/instrumentation'

/** Loads what is asked for. The loader hook costs time at start, so it is registered only then. */
export async function instrument(names: readonly string[]): Promise<void> {
  if (!names.includes('fastify')) return
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
  const { FastifyInstrumentation } = await import('@opentelemetry/instrumentation-fastify')
  registerInstrumentations({ instrumentations: [new FastifyInstrumentation()] })
}
