/** Says why a configuration cannot be used. The message has one line per problem. */
export class ConfError extends Error {
  override readonly name = 'ConfError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}
