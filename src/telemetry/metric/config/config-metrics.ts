import type { Meter } from '@opentelemetry/api'

/** What is known of the sources of settings. */
export interface ConfigState {
  /** Equal where the settings are, but for secrets. */
  version: string
  /** Since the settings in force were taken. */
  ageMs: number
  /** The number of settings that need a restart to become what their sources have. */
  waiting: number
  sources: readonly {
    kind: string
    /** Documents that were taken, and those that were refused. */
    applied: number
    refused: number
    /** Whether its last document was refused. */
    isRefused: boolean
    /** For how long it has not been reached; 0 where it is. */
    awayMs: number
  }[]
}

/** Makes the gauges and counters of the settings; nothing is told where they cannot change. */
export function watchConfig(meter: Meter, config: () => ConfigState | undefined): void {
  const gauge = (name: string, description: string, unit = '') =>
    meter.createObservableGauge(name, { description, unit })
  const version = gauge('config_version_info', 'The settings in force; always 1')
  const age = gauge('config_age_seconds', 'Since when the settings are in force', 's')
  const waiting = gauge('config_restart_needed', 'Settings that have changed, and need a restart')
  const refused = gauge('config_refused', '1 where the last document was refused, else 0')
  const away = gauge('config_source_away_seconds', 'For how long it has not been reached', 's')
  const updates = meter.createObservableCounter('config_updates', {
    description: 'Documents of settings, by whether they were applied',
    unit: '{document}',
  })
  meter.addBatchObservableCallback(
    (result) => {
      const state = config()
      if (!state) return
      result.observe(version, 1, { version: state.version })
      result.observe(age, state.ageMs / 1000)
      result.observe(waiting, state.waiting)
      for (const { kind: source, ...of } of state.sources) {
        result.observe(updates, of.applied, { source, result: 'applied' })
        result.observe(updates, of.refused, { source, result: 'refused' })
        result.observe(refused, Number(of.isRefused), { source })
        result.observe(away, of.awayMs / 1000, { source })
      }
    },
    [version, age, waiting, refused, away, updates],
  )
}
