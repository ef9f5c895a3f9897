import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { TemplateError, parseTemplate } from '../../../src/rest/route/template.ts'

interface TemplateCase {
  kind: string
  source: string
  template: string
  valid: boolean
  ours?: boolean
}

const file: { cases: TemplateCase[] } = JSON.parse(
  readFileSync(new URL('../cases.json', import.meta.url), 'utf8'),
)
const cases = file.cases.filter((each) => each.kind === 'template')

function refusal(source: string): TemplateError | undefined {
  try {
    parseTemplate(source)
  } catch (error) {
    if (error instanceof TemplateError) return error
    throw error
  }
  return undefined
}

test('every recorded template is accepted or refused as its source says', async (t) => {
  t.equal(cases.length, 38)
  for (const { template, source, valid, ours } of cases)
    t.equal(refusal(template) === undefined, ours ?? valid, `${template} (${source})`)
})

test('a template is parsed into segments, variables and verb', async (t) => {
  t.strictSame(parseTemplate('/v1/{shelf.name=shelves/*}/{rest=**}/end:a:b'), {
    source: '/v1/{shelf.name=shelves/*}/{rest=**}/end:a:b',
    segments: [
      { kind: 'literal', value: 'v1' },
      { kind: 'literal', value: 'shelves' },
      { kind: 'single' },
      { kind: 'deep' },
      { kind: 'literal', value: 'end' },
    ],
    variables: [
      { name: 'shelf.name', start: 1, end: 3, multi: true },
      { name: 'rest', start: 3, end: 4, multi: true },
    ],
    verb: 'a:b',
  })
  t.strictSame(parseTemplate('/'), { source: '/', segments: [], variables: [], verb: '' })
  t.strictSame(parseTemplate('/{a}/{b=*}/{c=lit}').variables, [
    { name: 'a', start: 0, end: 1, multi: false },
    { name: 'b', start: 1, end: 2, multi: false },
    { name: 'c', start: 2, end: 3, multi: false },
  ])
})

test('literals are percent-decoded, verbs stay as written', async (t) => {
  const { segments, verb } = parseTemplate('/caf%C3%A9/a%2Fb%3Ac:x%20y')
  t.strictSame(segments, [
    { kind: 'literal', value: 'café' },
    { kind: 'literal', value: 'a/b:c' },
  ])
  t.equal(verb, 'x%20y')
})

const refusals: [template: string, column: number, message: RegExp][] = [
  ['', 1, /begins with "\/"/],
  ['v1', 1, /begins with "\/"/],
  ['/a//b', 4, /empty segment/],
  ['/a/', 4, /empty segment: write a literal, "\*", "\*\*" or a \{variable\}/],
  ['/:', 2, /empty segment/],
  ['/a/{x=}', 7, /empty segment/],
  ['/a/{x=b/}', 9, /empty segment/],
  ['/a b', 3, /unexpected " " after a whole segment/],
  ['/é', 2, /unexpected "é" in a segment/],
  ['/a%2', 3, /two hex digits/],
  ['/%zz', 2, /two hex digits/],
  ['/a%FF', 2, /not valid UTF-8/],
  ['/a*', 3, /unexpected "\*" after a whole segment/],
  ['/***', 4, /unexpected "\*" after/],
  ['/*a', 3, /unexpected "a" after/],
  ['/{x}a', 5, /unexpected "a" after/],
  ['/a{x}', 3, /unexpected "\{" after/],
  ['/a}', 3, /unexpected "\}" after/],
  ['/**/*', 5, /only literals may follow "\*\*"/],
  ['/**/{x}', 5, /only literals may follow/],
  ['/{a=**}/b/**', 11, /only literals may follow/],
  ['/{', 3, /lacks its "\}"/],
  ['/{x', 4, /lacks its "\}"/],
  ['/{x=a', 6, /lacks its "\}"/],
  ['/{}', 3, /unexpected "\}" in a variable: its field path is names/],
  ['/{=a}', 3, /unexpected "=" in a variable/],
  ['/{1a}', 3, /unexpected "1" in a variable/],
  ['/{a..b}', 4, /unexpected "\." in a variable/],
  ['/{a.}', 4, /unexpected "\." in a variable/],
  ['/{a-b}', 4, /unexpected "-" in a variable/],
  ['/{a=b c}', 6, /unexpected " " in a variable/],
  ['/{a=b:c}', 6, /unexpected ":" in a variable/],
  ['/{a={b}}', 5, /may not contain another variable/],
  ['/{a}/{a}', 7, /"a" is bound twice/],
  ['/{a}/{a.b}', 7, /lie in one another/],
  ['/{a.b}/{a}', 9, /lie in one another/],
  ['/a:', 3, /empty verb/],
  ['/a::b', 3, /empty verb/],
  ['/a:b:', 3, /empty verb/],
  ['/a:b/c', 3, /write %3A for a colon/],
  ['/a:b c', 5, /unexpected " " in a verb/],
  ['/a:%z', 4, /two hex digits/],
  ['/a:b*', 5, /unexpected "\*" in a verb/],
]

test('a refusal says what is wrong, where, and in which template', async (t) => {
  for (const [template, column, message] of refusals) {
    const error = refusal(template)
    t.match(error?.message, message, template)
    t.equal(error?.column, column, `${template}: column of ${error?.message}`)
    t.ok(error?.message.startsWith(`path template ${JSON.stringify(template)}, column ${column}: `))
  }
})
