import { fieldNamed } from '../field-path.ts'
import type { HttpBinding } from './rules.ts'

/** What AIP-127 advises against in rules that work; one line each. */
export function advice(bindings: readonly HttpBinding[]): string[] {
  return bindings.flatMap((binding) => {
    const { method, httpMethod, template, body } = binding
    const name = `${method.parent.typeName}.${method.name} (${httpMethod} ${template.source})`
    const first = bindings.find((each) => each.method === method)
    const lines: string[] = []
    if (body !== '' && (httpMethod === 'GET' || httpMethod === 'DELETE'))
      lines.push(`${name}: a body of ${httpMethod} may be dropped on its way`)
    if (fieldNamed(method.input, body)?.fieldKind === 'list')
      lines.push(`${name}: the body is the repeated field ${body}, beside which none can be added`)
    if (first?.body !== body)
      lines.push(
        `${name}: the body differs from that of ${first?.httpMethod} ${first?.template.source}`,
      )
    return lines
  })
}
