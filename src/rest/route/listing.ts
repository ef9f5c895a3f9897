import type { HttpBinding } from './rules.ts'
import type { RouteTable } from './table.ts'

const head = ['METHOD', 'TEMPLATE', 'RPC', 'BODY']

/**
 * The served bindings as an aligned text table, one line each, sorted by template and HTTP method.
 */
export function routeListing({ routes }: RouteTable<{ binding: HttpBinding }>): string {
  const rows = routes
    .map(({ target: { binding } }) => cells(binding))
    .toSorted((one, other) => compare(one[1], other[1]) || compare(one[0], other[0]))
  const lines = [head, ...rows]
  const widths = head.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function cells({ method, httpMethod, template, body, responseBody }: HttpBinding) {
  const rpc = `${method.parent.typeName}/${method.name}`
  const answer = responseBody === '' ? '' : ` (answers ${responseBody})`
  return [httpMethod, template.source, rpc, `${body === '' ? '-' : body}${answer}`] as const
}

/** Compares code units, so that the order does not depend on a locale. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
