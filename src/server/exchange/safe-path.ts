const hidden = 'REDACTED'
/** Characters of a path in the log: enough to recognize it. */
const maxLength = 256

/**
 * A path without personal data, for the log. Values of a template's variables are kept if they are
 * numbers; other segments are kept if they are short ASCII words. The others become REDACTED.
 */
export function safePath(path: string, template: string): string {
  // As for each method of RPC.
  if (path === template && path.length <= maxLength) return path
  const literals = template.split('/')
  return path
    .slice(0, maxLength)
    .split('/')
    .map((segment, index) => (isPlain(segment, literals[index]) ? segment : hidden))
    .join('/')
}

function isPlain(segment: string, literal: string | undefined): boolean {
  if (segment === literal || segment === '' || /^\d{1,20}$/.test(segment)) return true
  const variable = literal?.startsWith('{') ?? false
  return !variable && segment.length <= 100 && /^[\w.:-]+$/.test(segment)
}
