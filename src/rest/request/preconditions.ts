import type { IncomingHttpHeaders } from 'node:http'
import type { DescField, Message } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { stateTag } from '../etag-variants.ts'
import { entityTags } from '../../text/entity-tags.ts'
import { invalidParameters, preconditionFailed } from '../errors.ts'
import { getField, resolvePath, setField } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'

/**
 * The path of the request's field `etag`, or of that in its body (AIP-154); undefined if neither
 * exists.
 */
export function etagPath({ method, body }: HttpBinding): DescField[] | undefined {
  const path = resolvePath(method.input, 'etag') ?? resolvePath(method.input, `${body}.etag`)
  const field = path?.at(-1)
  return field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING ? path : undefined
}

/** A weak tag: by strong comparison it differs from the tag of every state. */
const tagOfNothing = 'W/"*"'

/**
 * Passes the conditions of a request to its method, since only the method can check them and change
 * the resource in one step: the field at `path` gets the tags of If-Match as a list. For
 * `If-None-Match: *` it gets a tag that no state has, so that the method refuses a resource that
 * exists and does not find one that does not. Returns true if the method has a condition to check.
 * Throws INVALID_PARAMETER for a header that is not a list of tags, and PRECONDITION_FAILED if the
 * method has no such field, since it would ignore the condition.
 */
export function applyPreconditions(
  path: readonly DescField[] | undefined,
  message: Message,
  { method, headers }: { method: string; headers: IncomingHttpHeaders },
): boolean {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch === undefined && ifNoneMatch === undefined) return false
  const match = listed('if-match', ifMatch)
  if (unconditional.includes(method)) return false
  const noneMatch = listed('if-none-match', ifNoneMatch)
  if (path === undefined) throw preconditionFailed('this method compares no entity tags')
  if (noneMatch !== undefined && noneMatch !== '*')
    throw invalidParameters({ 'if-none-match': `can only be * with ${method}` })
  if (match !== undefined && match !== '*') fill(path, message, match.map(stateTag).join(', '))
  if (noneMatch !== undefined) setField(message, path, tagOfNothing)
  return true
}

/**
 * GET and HEAD are checked against their answer; the others have no conditions (RFC 9110, 13.2.1).
 */
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
