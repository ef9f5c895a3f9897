import type { DescMethod } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import type { HttpBinding } from './rules.ts'

/** Warnings about rules that work but that AIP-127 advises against, one line each. */
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

/** The reason why the rules of a method are not served; undefined if they are served. */
export function reasonNotToServe({ methodKind }: DescMethod): string | undefined {
  return methodKind === 'bidi_streaming'
    ? 'its method streams in both directions, for which there are Connect and gRPC'
    : undefined
}

/**
 * Warnings about the rules that are not served, one line each, with the proto file. Their paths
 * answer as if they had no rule.
 */
export function notServed(bindings: readonly HttpBinding[]): string[] {
  return bindings.map(({ method, httpMethod, template }) => {
    const name = `${method.parent.typeName}.${method.name} (${httpMethod} ${template.source})`
    return `${method.parent.file.proto.name}: ${name} is not served: ${reasonNotToServe(method)}`
  })
}
