import type { Logger } from 'pino'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Identity } from '../resource.ts'
import type { LogFields } from './scope.ts'
import type { Env, TracingSettings } from './settings.ts'
import type { Tracing } from './tracing.ts'

export interface StartOptions {
  settings: TracingSettings
  identity: Pick<Identity, 'service' | 'version'>
  env: Env
  log: Logger
  /** Instead of the one that the settings name; for tests. */
  exporter?: SpanExporter
}

export type RunningTracing = Tracing & {
  /** The fields of a line that is written in the middle of a request. */
  logFields: () => LogFields
  /** Takes each line of the log; undefined where lines do not go to the collector. */
  logLine?: (line: string) => void
}

/**
 * Loads OpenTelemetry and starts it. To be called before what instrumentations should see is loaded.
 * There is one in a process at a time, because OpenTelemetry's API is global.
 */
export async function startTracing(options: StartOptions): Promise<RunningTracing> {
  const { startSdk } = await import('./sdk/sdk.ts')
  return startSdk(options)
}
