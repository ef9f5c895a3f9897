import type { OpenedConfig } from '../app/config/open.ts'
import { settings, valueOf } from '../conf/live.ts'
import { withoutAccounts } from '../text/accounts.ts'
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt'

/** The effective settings, one a line, each with its source and whether it can change while the service runs. */
export function effectiveConfig({ conf, given, sources }: OpenedConfig): string {
  const rows = settings.map((setting) => {
    const { origin = '', variables = [] } = given.get(setting.path) ?? {}
    const from = variables.length === 0 ? origin : `${origin} (${variables.join(', ')})`
    const value = valueOf(conf, setting)
    const shown = setting.secret && !isEmpty(value) ? '(hidden)' : withoutAccounts(textOf(value))
    return [`${setting.path}: ${shown}`, from, setting.live ? 'live' : '']
  })
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const source of sources) source.close()
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function isEmpty(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isDuration(part) ? `${durationMs(part) / 1000}s` : part,
  )
}

function isDuration(value: unknown): value is Duration {
  return (
    typeof value === 'object' &&
    value !== null &&
    '$typeName' in value &&
    value.$typeName === 'google.protobuf.Duration'
  )
}
