/** Variables of the environment, as `process.env` gives them. */
export type Env = Record<string, string | undefined>

const placeholder = /\$\{([^}]*)(\}?)/g
const nameAndDefault = /^([A-Za-z_][A-Za-z0-9_]*)(?::(.*))?$/s

/** A text whose placeholders have been replaced. */
interface Replaced {
  text: string
  /** The variables that are set. */
  variables: string[]
  problems: string[]
}

/**
 * Replaces each `${NAME}` and `${NAME:default}` by the variable's value. A variable that is set to
 * nothing counts as set. Placeholders in a value are not replaced.
 */
export function expand(text: string, env: Env): Replaced {
  const variables: string[] = []
  const problems: string[] = []
  const replaced = text.replace(placeholder, (whole: string, inside: string, closed: string) => {
    const [, name, fallback] = nameAndDefault.exec(inside) ?? []
    // The first brace ends a placeholder, so one within another would leave a text that nobody meant.
    if (name === undefined || closed === '' || inside.includes('${')) {
      problems.push(
        `${JSON.stringify(whole)} is no placeholder, write \${NAME} or \${NAME:default}`,
      )
      return whole
    }
    const value = env[name] ?? fallback
    if (env[name] !== undefined) variables.push(name)
    if (value === undefined)
      problems.push(`the environment variable ${name} is not set, and ${whole} gives no default`)
    return value ?? whole
  })
  return { text: replaced, variables, problems }
}
