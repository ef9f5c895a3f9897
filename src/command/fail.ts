import { ConfError, SettingError } from '../conf/error.ts'

/**
 * Says in one line, for people and for what collects them, what has ended the program; of a
 * configuration in one line for each problem. `named` gives a setting with its variables.
 */
export function failure(err: unknown, named: (setting: string) => string = (path) => path): string {
  if (err instanceof ConfError) return err.problems.map(line).join('')
  if (!(err instanceof Error)) return line(String(err))
  const because = err.cause instanceof Error ? `: ${err.cause.message}` : ''
  const [message = ''] = err.message.split('\n', 1)
  const setting = err instanceof SettingError ? `${named(err.setting)}: ` : ''
  return line(`${setting}${message}${message.endsWith(because) ? '' : because}`)
}

function line(text: string): string {
  return `user-service: ${text}\n`
}
