/** What is no YAML, such as a page of HTML, has a problem in every line, or several. */
const maxProblems = 100

/** Says why a configuration cannot be used. The message has one line per problem, for the first of them. */
export class ConfError extends Error {
  override readonly name = 'ConfError'
  readonly problems: readonly string[]

  constructor(found: readonly string[]) {
    const more = found.length - maxProblems
    const problems = more > 0 ? [...found.slice(0, maxProblems), `and ${more} more`] : found
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Says which setting keeps the service from starting, where that is only seen in trying. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
  /** The path of the setting, such as `server.http.addr`. */
  readonly setting: string

  constructor(setting: string, problem: string, options?: ErrorOptions) {
    super(problem, options)
    this.setting = setting
  }
}
