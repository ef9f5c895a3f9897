import type { DescField, Message } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { invalidParameters } from '../errors.ts'
import { getField, resolvePath, setField } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'

/** The request's field `etag`, or that of its resource in the body (AIP-154). */
export function etagPath({ method, body }: HttpBinding): DescField[] | undefined {
  const path = resolvePath(method.input, 'etag') ?? resolvePath(method.input, `${body}.etag`)
  const field = path?.at(-1)
  return field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING ? path : undefined
}

/** Hands If-Match to the method, which alone can compare it in one step with what it changes. */
export function applyIfMatch(
  path: readonly DescField[],
  message: Message,
  ifMatch: string | undefined,
): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const given = getField(message, path)
  if (given !== undefined && given !== '' && given !== ifMatch)
    throw invalidParameters({ 'if-match': 'has another value than the etag of the request' })
  setField(message, path, ifMatch)
}
