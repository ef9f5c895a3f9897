import type { RunningTracing, StartOptions } from './tracing.ts'

/**
 * Loads OpenTelemetry and starts it. To be called before what instrumentations should see is loaded.
 * There is one in a process at a time, because OpenTelemetry's API is global.
 */
export async function startTracing(options: StartOptions): Promise<RunningTracing> {
  const { startSdk } = await import('./sdk/sdk.ts')
  return startSdk(options)
}
