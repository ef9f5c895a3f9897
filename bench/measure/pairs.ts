/** The values of options such as `--variant name=PATH`, by their names. */
export function pairs(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(given.map((pair) => /^(.*?)=(.*)$/s.exec(pair)?.slice(1) ?? [pair, '']))
}
