import { ConfError } from './error.ts'
import { withoutAccounts } from '../text/accounts.ts'

/** Where the value of a setting comes from. */
export interface Given {
  /** The file's name in messages. */
  origin: string
  /** Variables of the environment that are part of the value. */
  variables: readonly string[]
}

/** The value at the beginning of a problem. What follows may be a form with an account, as an example. */
const quotedValue = /^found (?:the text )?"(?:[^"\\]|\\.)*"/

/** Collects what is wrong with a configuration, so that all of it can be told at once. */
export function problemList(fallback: string) {
  const problems: string[] = []
  const reported = new Set<string>()
  /** Each setting that has a value, by its path. */
  const given = new Map<string, Given>()

  /** The path as messages have it: with the variables that gave the value. */
  function named(path: string): string {
    const { variables = [] } = given.get(path) ?? {}
    return variables.length === 0 ? path : `${path} (${variables.join(', ')})`
  }

  function report(
    path: string,
    problem: string,
    origin = given.get(path)?.origin ?? fallback,
  ): void {
    reported.add(path)
    const parts = [origin, named(path), problem.replace(quotedValue, withoutAccounts)]
    problems.push(parts.filter((part) => part !== '').join(': '))
  }

  return {
    given,
    named,
    report,
    /** For a variable of the environment that is no part of the file. */
    reportVariable: (name: string, problem: string) => void problems.push(`${name}: ${problem}`),
    /** Whether something has been said already of the setting, of a part of it, or of what it is in. */
    known: (path: string) => [...reported].some((each) => within(path, each) || within(each, path)),
    /** Throws a ConfError where there are problems. */
    stopIfAny(): void {
      if (problems.length > 0) throw new ConfError(problems)
    },
  }
}

/** Whether the setting is the other one, or inside of it. */
function within(path: string, other: string): boolean {
  if (!path.startsWith(other)) return false
  return other === '' || ['', '.', '['].includes(path.charAt(other.length))
}
