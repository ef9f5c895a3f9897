import { codings, type Coding } from './codings.ts'

/**
 * The tag of one representation: `tag` with a suffix for the type and the coding, since strong tags
 * of representations with different bytes must differ (RFC 9110, 8.8.3.3).
 */
export function variantTag(tag: string, type: string, coding: Coding | undefined): string {
  const variant = `${type === 'application/protojson' ? ';protojson' : ''}${coding ? `;${coding}` : ''}`
  return variant === '' ? tag : `${tag.slice(0, -1)}${variant}"`
}

const variants = new RegExp(`(?:;protojson)?(?:;(?:${codings.join('|')}))?"$`)

/** The inverse of variantTag: the tag of the state, without the suffix for type and coding. */
export function stateTag(tag: string): string {
  return tag.replace(variants, '"')
}
