import type { PathTemplate } from '../../rest/route/template.ts'

type Segment = PathTemplate['segments'][number]

/**
 * The raw path of a template with these texts in its variables, in the order of the variables. A
 * text of one segment is escaped whole; the slashes of one of several segments separate them.
 * Undefined if a text is empty or does not have the form of its variable.
 */
export function rawPath(template: PathTemplate, texts: readonly string[]): string | undefined {
  const { segments, variables, verb } = template
  const parts: string[] = []
  let at = 0
  for (const [index, { start, end, multi }] of variables.entries()) {
    const text = texts[index] ?? ''
    if (text === '') return undefined
    const values = multi ? text.split('/') : [text]
    if (!fits(segments.slice(start, end), values)) return undefined
    parts.push(...segments.slice(at, start).flatMap(fixed), ...values.map(escapeSegment))
    at = end
  }
  parts.push(...segments.slice(at).flatMap(fixed))
  return `/${parts.join('/')}${verb === '' ? '' : `:${verb}`}`
}

/** Whether the segments of a text are those that a variable takes. */
function fits(pattern: readonly Segment[], values: readonly string[]): boolean {
  const deepAt = pattern.findIndex(({ kind }) => kind === 'deep')
  if (deepAt === -1) return pattern.length === values.length && fitsEach(pattern, values)
  const tail = pattern.slice(deepAt + 1)
  if (values.length < deepAt + tail.length) return false
  return (
    fitsEach(pattern.slice(0, deepAt), values) &&
    fitsEach(tail, values.slice(values.length - tail.length))
  )
}

function fitsEach(pattern: readonly Segment[], values: readonly string[]): boolean {
  return pattern.every((segment, at) =>
    segment.kind === 'literal' ? segment.value === values[at] : values[at] !== '',
  )
}

/** Outside of variables, `*` matches any text, so one is made up, and `**` matches no segment, too. */
function fixed(segment: Segment): string[] {
  if (segment.kind !== 'literal') return segment.kind === 'single' ? ['-'] : []
  return [escapeSegment(segment.value).replace(/%(?:2[46BC]|3[BD]|40)/g, decodeURIComponent)]
}

/**
 * Proxies and servers remove segments `.` and `..` together with the one before, so the call would
 * reach another route. Escaped dots mean the same, but fewer programs look at those.
 */
function escapeSegment(text: string): string {
  return text === '.' || text === '..' ? text.replaceAll('.', '%2E') : encodeURIComponent(text)
}
