/** Says why a configuration cannot be used. The message has one line per problem. */
export class ConfError extends Error {
  override readonly name = 'ConfError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
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
