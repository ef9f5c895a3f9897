import { hash } from 'node:crypto'
import { entityTags } from '../../text/entity-tags.ts'
import { stateTag } from '../etag-variants.ts'

/** The validator of a text that has none of its own. Weak, since nobody says what else may have it. */
export function computedTag(text: string): string {
  return `W/"${hash('sha1', text, 'base64url')}"`
}

/** The validator that a service gave, in the form of the header (AIP-154 has it quoted or not). */
export function quotedTag(value: string): string | undefined {
  const [tag] = entityTags(value) ?? []
  if (tag === value) return value
  const quoted = `"${value}"`
  return entityTags(quoted)?.[0] === quoted ? quoted : undefined
}

/** Whether If-None-Match names the tag, by weak comparison; `*` names every one. */
export function namesTag(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true
  const wanted = opaqueOf(tag)
  return entityTags(ifNoneMatch)?.some((each) => opaqueOf(each) === wanted) ?? false
}

/**
 * Whether If-Match names the state that the tag is of, by strong comparison; `*` names every one.
 * Of which representation of that state the client has the tag does not matter.
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
