import type { IncomingHttpHeaders } from 'node:http'
import type { DescField, Message } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { stateTag } from '../etag-variants.ts'
import { entityTags } from '../../text/entity-tags.ts'
import { invalidParameters, preconditionFailed } from '../errors.ts'
import { getField, resolvePath, setField } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'

/** The request's field `etag`, or that of its resource in the body (AIP-154). */
export function etagPath({ method, body }: HttpBinding): DescField[] | undefined {
  const path = resolvePath(method.input, 'etag') ?? resolvePath(method.input, `${body}.etag`)
  const field = path?.at(-1)
  return field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING ? path : undefined
}

/** A weak tag, which no state has by strong comparison. */
const tagOfNothing = 'W/"*"'

/**
 * Hands the conditions of a request to its method, which alone can evaluate them in one step with
 * what it changes: the field at `path` gets the tags of If-Match as a list. `If-None-Match: *` is
 * handed over as a tag that nothing has, so that a method refuses what exists and does not find
 * what does not. Gives whether the method has got a condition. Throws INVALID_PARAMETER for what
 * is no list, and PRECONDITION_FAILED where the method has no such field: it would not be heeded.
 */
export function applyPreconditions(
  path: readonly DescField[] | undefined,
  message: Message,
  { method, headers }: { method: string; headers: IncomingHttpHeaders },
): boolean {
  const match = listed('if-match', headers['if-match'])
  if (unconditional.includes(method)) return false
  const noneMatch = listed('if-none-match', headers['if-none-match'])
  if (match === undefined && noneMatch === undefined) return false
  if (path === undefined) throw preconditionFailed('this method compares no entity tags')
  if (noneMatch !== undefined && noneMatch !== '*')
    throw invalidParameters({ 'if-none-match': `can only be * with ${method}` })
  if (match !== undefined && match !== '*') fill(path, message, match.map(stateTag).join(', '))
  if (noneMatch !== undefined) setField(message, path, tagOfNothing)
  return true
}

/** For GET and HEAD the answer is compared; the others have no conditions (RFC 9110, 13.2.1). */
const unconditional = ['GET', 'HEAD', 'OPTIONS', 'TRACE']

function listed(name: string, value: string | undefined): '*' | string[] | undefined {
  if (value === undefined) return undefined
  if (value.trim() === '*') return '*'
  const tags = entityTags(value)
  if (tags === undefined)
    throw invalidParameters({ [name]: 'must be *, or entity tags in quotes, split by commas' })
  return tags
}

function fill(path: readonly DescField[], message: Message, tags: string): void {
  const given = getField(message, path)
  if (given !== undefined && given !== '' && given !== tags)
    throw invalidParameters({ 'if-match': 'has another value than the etag of the request' })
  setField(message, path, tags)
}
