const hidden = 'REDACTED'
/** Enough to be recognized; a line of the log is for reading. */
const maxLength = 256

/**
 * A path without what could be somebody's: under a known template the values of its variables stay
 * if they are numbers, elsewhere only segments of plain ASCII words do.
 */
export function safePath(path: string, template: string): string {
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
