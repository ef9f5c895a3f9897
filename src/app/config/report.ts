import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { ConfError } from '../../conf/error.ts'
import { type LiveConf, settings, textOf } from '../../conf/live.ts'
import { messageOf } from '../../fleet/discovery.ts'
import type { ConfigState } from '../../telemetry/metric/config/config-metrics.ts'
import { originOf, type SourceName } from './sources.ts'

interface SourceState {
  kind: string
  applied: number
  refused: number
  /** Whether its last document was refused. */
  isRefused: boolean
  awaySince: number | undefined
}

/** Writes one line for each change of state, and counts for the metrics. Values are in none of them. */
export function configReport(log: Logger, sources: readonly SourceName[], live: LiveConf) {
  const states = new Map(sources.map((source) => [source, stateOf(source)]))
  let takenAt = performance.now()
  let version = versionOf(live)
  let waiting: readonly string[] = []

  return {
    ...sourceReport(log, states),
    taken(source: SourceName, { applied, waiting: names }: ReturnType<LiveConf['take']>): void {
      const state = states.get(source)
      if (state) Object.assign(state, { applied: state.applied + 1, isRefused: false })
      takenAt = performance.now()
      version = versionOf(live)
      if (applied.length > 0) {
        const line = `settings have changed: ${applied.join(', ')}`
        log.info({ source: originOf(source), settings: applied, settings_version: version }, line)
      }
      const isNew = names.join() !== waiting.join()
      waiting = names
      if (names.length > 0 && isNew)
        log.warn({ settings: names }, `needs a restart: ${names.join(', ')}`)
    },
    noCopy: (problem: string) =>
      log.warn({ problem }, `config.cache_file cannot be written: ${problem}`),
    state: (): ConfigState => ({
      version,
      ageMs: performance.now() - takenAt,
      waiting: waiting.length,
      sources: Array.from(states.values(), ({ awaySince, ...state }) => ({
        ...state,
        awayMs: awaySince === undefined ? 0 : performance.now() - awaySince,
      })),
    }),
  }
}

function stateOf({ kind }: SourceName): SourceState {
  return { kind, applied: 0, refused: 0, isRefused: false, awaySince: undefined }
}

/** The part that is about one source. */
function sourceReport(log: Logger, states: ReadonlyMap<SourceName, SourceState>) {
  return {
    refused(source: SourceName, err: unknown): void {
      const state = states.get(source)
      if (state) Object.assign(state, { refused: state.refused + 1, isRefused: true })
      const problems = err instanceof ConfError ? err.problems : [messageOf(err)]
      const line = `the document is refused, and the settings stay: ${problems.join('; ')}`
      log.error({ source: originOf(source), problems }, line)
    },
    /** The document is again the one in force. */
    restored(source: SourceName): void {
      Object.assign(states.get(source) ?? {}, { isRefused: false })
      log.info({ source: originOf(source) }, 'the document is the one in force again')
    },
    present(source: SourceName): void {
      const state = states.get(source)
      if (state?.awaySince === undefined) return
      state.awaySince = undefined
      log.info({ source: originOf(source) }, 'the source of settings is there again')
    },
    away(source: SourceName, problem: string): void {
      const state = states.get(source)
      if (!state || state.awaySince !== undefined) return
      state.awaySince = performance.now()
      const line = `a source of settings is away, and the settings stay: ${problem}`
      log.warn({ source: originOf(source), problem }, line)
    },
  }
}

/** Equal in all instances with equal settings, but for secrets, of which it tells nothing. */
function versionOf(live: LiveConf): string {
  const conf = live.current()
  const hash = createHash('sha256')
  for (const setting of settings)
    if (!setting.secret) hash.update(`${setting.path} ${textOf(conf, setting)}\n`)
  return hash.digest('hex').slice(0, 12)
}
