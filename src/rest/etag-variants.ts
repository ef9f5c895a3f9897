import { codings, type Coding } from './codings.ts'

/**
 * The same validator for one representation: under this type, in this coding. Each has one of its
 * own, as strong ones must (RFC 9110, 8.8.3.3).
 */
export function variantTag(tag: string, type: string, coding: Coding | undefined): string {
  const variant = `${type === 'application/protojson' ? ';protojson' : ''}${coding ? `;${coding}` : ''}`
  return variant === '' ? tag : `${tag.slice(0, -1)}${variant}"`
}

const variants = new RegExp(`(?:;protojson)?(?:;(?:${codings.join('|')}))?"$`)

/** The validator that the service gave, of one that variantTag made of it. */
export function stateTag(tag: string): string {
  return tag.replace(variants, '"')
}
