import { unescapeSegment } from './unescape.ts'

/**
 * One segment of a template. Literals are percent-decoded, as are the path segments compared with
 * them.
 */
type Segment = { kind: 'literal'; value: string } | { kind: 'single' } | { kind: 'deep' }

/** The part of a template that fills one request field. */
export interface PathVariable {
  /** Field path as written, such as `book.name`. */
  name: string
  /** Index of the variable's first segment in the template. */
  start: number
  /** Index after the variable's last segment. */
  end: number
  /** True for several segments or a `**`: the unescape mode applies to the value. */
  multi: boolean
}

/** A parsed google.api.http path template. */
export interface PathTemplate {
  source: string
  segments: readonly Segment[]
  variables: readonly PathVariable[]
  /** As written, since verbs are compared without decoding; '' if none. */
  verb: string
}

/** Thrown for a template that breaks the grammar or names a field that cannot be bound. */
export class TemplateError extends Error {
  override name = 'TemplateError'
  /** 1-based position in the template. */
  column: number

  constructor(source: string, column: number, problem: string) {
    super(`path template ${JSON.stringify(source)}, column ${column}: ${problem}`)
    this.column = column
  }
}

interface Cursor {
  source: string
  at: number
  segments: Segment[]
  variables: PathVariable[]
}

// RFC 3986 pchar without ":" (it starts the verb) and "*" (it is a wildcard).
const literalPattern = /(?:[\w\-.~!$&'()+,;=@]|%[\dA-Fa-f]{2})+/y
const verbPattern = /(?:[\w\-.~!$&'()+,;=@:]|%[\dA-Fa-f]{2})+/y
const fieldPathPattern = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y

/**
 * Parses a path template by the grammar of google/api/http.proto, with the extension of the C++
 * implementation that literals may follow `**`. A verb may contain `:`, so the first `:` starts it.
 * Throws TemplateError.
 */
export function parseTemplate(source: string): PathTemplate {
  const cursor: Cursor = { source, at: 0, segments: [], variables: [] }
  if (source[0] !== '/') throw problem(cursor, 'a template begins with "/"')
  cursor.at = 1
  if (source !== '/') parseSegments(cursor, false)
  const verb = source[cursor.at] === ':' ? parseVerb(cursor) : ''
  if (cursor.at < source.length) throw unexpected(cursor, 'after a whole segment')
  return { source, segments: cursor.segments, variables: cursor.variables, verb }
}

function problem(cursor: Cursor, text: string, at = cursor.at): TemplateError {
  return new TemplateError(cursor.source, at + 1, text)
}

function unexpected(cursor: Cursor, where: string): TemplateError {
  const char = cursor.source[cursor.at]
  if (char === '%') return problem(cursor, '"%" needs two hex digits after it')
  return problem(
    cursor,
    `unexpected ${JSON.stringify(char)} ${where}: a segment is "*", "**", a {variable} or a literal of ` +
      `letters, digits, -._~!$&'()+,;=@ and percent escapes, and only "/" or a last ":verb" may follow it`,
  )
}

/** Consumes the text that the sticky pattern matches at the cursor; '' if it matches none. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const text = pattern.exec(cursor.source)?.[0] ?? ''
  cursor.at += text.length
  return text
}

function parseSegments(cursor: Cursor, inVariable: boolean): void {
  parseSegment(cursor, inVariable)
  while (cursor.source[cursor.at] === '/') {
    cursor.at += 1
    parseSegment(cursor, inVariable)
  }
}

function parseSegment(cursor: Cursor, inVariable: boolean): void {
  const char = cursor.source[cursor.at]
  if (char === undefined || char === '/' || char === ':' || char === '}')
    throw problem(cursor, 'empty segment: write a literal, "*", "**" or a {variable}')
  if (char === '{') {
    if (inVariable) throw problem(cursor, 'a variable may not contain another variable')
    parseVariable(cursor)
  } else if (char === '*') parseWildcard(cursor)
  else parseLiteral(cursor)
}

function parseWildcard(cursor: Cursor): void {
  const deep = cursor.source.startsWith('**', cursor.at)
  addWildcard(cursor, deep ? 'deep' : 'single', cursor.at)
  cursor.at += deep ? 2 : 1
}

function addWildcard(cursor: Cursor, kind: 'single' | 'deep', at: number): void {
  if (cursor.segments.some((segment) => segment.kind === 'deep'))
    throw problem(cursor, 'only literals may follow "**"', at)
  cursor.segments.push({ kind })
}

function parseLiteral(cursor: Cursor): void {
  const start = cursor.at
  const text = take(cursor, literalPattern)
  if (text === '') throw unexpected(cursor, 'in a segment')
  const value = unescapeSegment(text)
  if (value === undefined) throw problem(cursor, 'the percent escapes are not valid UTF-8', start)
  cursor.segments.push({ kind: 'literal', value })
}

function parseVariable(cursor: Cursor): void {
  const open = cursor.at
  const start = cursor.segments.length
  cursor.at += 1
  const name = take(cursor, fieldPathPattern)
  rejectOverlap(cursor, name, open + 1)
  if (name !== '' && cursor.source[cursor.at] === '=') {
    cursor.at += 1
    parseSegments(cursor, true)
  } else if (name !== '' && cursor.source[cursor.at] === '}') addWildcard(cursor, 'single', open)
  closeVariable(cursor, name, start)
  cursor.at += 1
  const own = cursor.segments.slice(start)
  const multi = own.length > 1 || own[0]?.kind === 'deep'
  cursor.variables.push({ name, start, end: cursor.segments.length, multi })
}

function closeVariable(cursor: Cursor, name: string, start: number): void {
  const char = cursor.source[cursor.at]
  if (name !== '' && char === '}') return
  if (char === undefined) throw problem(cursor, 'the variable lacks its "}"')
  if (cursor.segments.length > start) throw unexpected(cursor, 'in a variable')
  throw problem(
    cursor,
    `unexpected ${JSON.stringify(char)} in a variable: its field path is names of letters, digits and "_" ` +
      'joined by ".", then "=" and segments, or "}"',
  )
}

/**
 * Throws for two variables of one field, or of a message and a field inside it: neither would win.
 */
function rejectOverlap(cursor: Cursor, name: string, at: number): void {
  for (const { name: other } of cursor.variables) {
    if (other === name) throw problem(cursor, `variable "${name}" is bound twice`, at)
    if (other.startsWith(`${name}.`) || name.startsWith(`${other}.`))
      throw problem(cursor, `variables "${other}" and "${name}" lie in one another`, at)
  }
}

function parseVerb(cursor: Cursor): string {
  const start = cursor.at + 1
  cursor.at = start
  const verb = take(cursor, verbPattern)
  if (cursor.source[cursor.at] === '/')
    throw problem(
      cursor,
      'a ":verb" ends the template; write %3A for a colon in a segment',
      start - 1,
    )
  if (cursor.at < cursor.source.length) throw unexpected(cursor, 'in a verb')
  if (`:${verb}:`.includes('::')) throw problem(cursor, 'empty verb: leave the ":" out', start - 1)
  return verb
}
