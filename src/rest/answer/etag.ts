import { hash } from 'node:crypto'
import { entityTags, isEntityTag } from '../../text/entity-tags.ts'
import { stateTag } from '../etag-variants.ts'

/**
 * The tag of an answer whose method gives none. Weak, since equal text does not prove an equal
 * state.
 */
export function computedTag(text: string): string {
  return `W/"${hash('sha1', text, 'base64url')}"`
}

/**
 * A tag from a method in the form of the ETag header: AIP-154 allows it with or without quotes.
 * Undefined if it cannot be an entity tag.
 */
export function quotedTag(value: string): string | undefined {
  if (isEntityTag(value)) return value
  const quoted = `"${value}"`
  return isEntityTag(quoted) ? quoted : undefined
}

/**
 * Whether If-None-Match names the tag, by weak comparison (RFC 9110, 8.8.3.2); `*` names every tag.
 */
export function namesTag(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true
  const wanted = opaqueOf(tag)
  return entityTags(ifNoneMatch)?.some((each) => opaqueOf(each) === wanted) ?? false
}

/**
 * Whether If-Match names the state that the tag belongs to, by strong comparison; `*` names every
 * state. The type and coding in which the client received the state do not matter.
 */
export function namesState(ifMatch: string, tag: string): boolean {
  if (ifMatch.trim() === '*') return true
  if (isWeak(tag)) return false
  const wanted = stateTag(tag)
  return entityTags(ifMatch)?.some((each) => stateTag(each) === wanted) ?? false
}

function isWeak(tag: string): boolean {
  return tag.startsWith('W/')
}

function opaqueOf(tag: string): string {
  return isWeak(tag) ? tag.slice(2) : tag
}
