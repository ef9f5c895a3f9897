const hidden = 'REDACTED'
/** Characters of a path in the log: enough to recognize it. */
const maxLength = 256

/**
 * A path without personal data, for the log. Values of a template's variables are kept if they are
 * numbers; other segments are kept if they are short ASCII words. The others become REDACTED. A verb behind
 * a variable, as in `{id}:cancel`, is kept.
 */
export function safePath(path: string, template: string): string {
  // As for each method of RPC.
  if (path === template && path.length <= maxLength) return path
  const literals = template.split('/')
  return path
    .slice(0, maxLength)
    .split('/')
    .map((segment, index) => shown(segment, literals[index]))
    .join('/')
}

function shown(segment: string, literal = ''): string {
  if (isPlain(segment, literal)) return segment
  const [, variable, verb = ''] = /^(.*\})(:[^:]+)$/.exec(literal) ?? []
  if (verb === '' || !segment.endsWith(verb)) return hidden
  return shown(segment.slice(0, -verb.length), variable) + verb
}

function isPlain(segment: string, literal: string): boolean {
  if (segment === literal || segment === '' || /^\d{1,20}$/.test(segment)) return true
  const isVariable = /[{}]/.test(literal)
  return !isVariable && segment.length <= 100 && /^[\w.:-]+$/.test(segment)
}
