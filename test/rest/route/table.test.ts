import { test } from 'tap'
import { literalPrefixes } from '../../../src/rest/route/table.ts'
import { compileTable } from '../../../src/rest/route/compile-table.ts'
import { parseTemplate } from '../../../src/rest/route/template.ts'

/** Compiles routes written as 'METHOD template'; the label is 's.' and the index. */
function table(...routes: string[]) {
  return compileTable(
    routes.map((route, index) => {
      const [httpMethod = '', source = ''] = route.split(' ')
      return { httpMethod, template: parseTemplate(source), target: route, label: `s.${index}` }
    }),
  )
}

function refusal(...routes: string[]): string {
  try {
    table(...routes)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return ''
}

test('two bindings for the same method, segments and verb are ambiguous, whatever their variables', async (t) => {
  t.equal(
    refusal('GET /v1/{a}/b', 'POST /v1/*/b', 'GET /v1/{c=*}/b'),
    'ambiguous: s.2 (GET /v1/{c=*}/b) and s.0 (GET /v1/{a}/b) match the same paths',
  )
  t.match(refusal('GET /a/{x=**}/b:v', 'GET /a/**/b:v'), /^ambiguous: s\.1 .* and s\.0 /)
  t.match(refusal('* /a', '* /a'), /^ambiguous/)
  t.match(refusal('GET /%61', 'GET /a'), /^ambiguous/)
})

test('bindings that differ in method, verb or a literal live side by side', async (t) => {
  const routes = ['GET /a/{x}', '* /a/*', 'GET /a/{x}:v', 'GET /a/b', 'GET /a/**', 'GET /a/**/b']
  t.equal(refusal(...routes), '')
})

test('a binding that others always come before is unreachable', async (t) => {
  t.equal(
    refusal('GET /a/{x=*}/{y=**}', 'GET /a/{z=**}/b'),
    'unreachable: s.1 (GET /a/{z=**}/b) always comes after s.0 (GET /a/{x=*}/{y=**})',
  )
  t.equal(
    refusal('GET /a/**/b', 'GET /a/b', 'GET /a/*/**/b'),
    'unreachable: s.0 (GET /a/**/b) always comes after s.1 (GET /a/b), s.2 (GET /a/*/**/b)',
  )
  t.match(refusal('* /a/*/**', 'PUT /a/**/b'), /^unreachable: s\.1/)
  t.match(refusal('GET /a/*/**', 'HEAD /a/**/b'), /^unreachable: s\.1/)
})

test('a binding is not unreachable when some path is its own', async (t) => {
  t.equal(refusal('GET /a/*/**', 'PUT /a/**/b'), '')
  t.equal(refusal('GET /a/*/**', 'GET /a/**/b:v'), '')
  t.equal(refusal('GET /a/*/**', 'GET /a/**'), '')
  t.equal(refusal('GET /a/*/*/**', 'GET /a/**/b'), '')
  t.equal(refusal('GET /a/*/**/c', 'GET /a/**/b'), '')
  t.equal(refusal('GET /**', 'GET /**:v', 'GET /', 'GET /%20/**/%2F'), '')
})

test('a route may be registered under names that objects inherit', async (t) => {
  t.equal(refusal('GET /__proto__/constructor:toString', 'GET /constructor'), '')
})

test('the prefixes are the distinct first literals', async (t) => {
  t.strictSame(literalPrefixes(table('GET /v2/{a}', 'GET /v1', 'PUT /v1/{a=b/**}:go')), [
    '/v1',
    '/v2',
  ])
  t.strictSame(literalPrefixes(table()), [])
})

test('the prefix is "/" as soon as a path might lie outside of the literals', async (t) => {
  const open = ['/{a}/b', '/**', '/', '/v1:watch', '/{a=v1/**}:watch', '/a%2Fb/c', '/(a)/b']
  for (const template of open)
    t.strictSame(literalPrefixes(table('GET /v1/x', `GET ${template}`)), ['/'], template)
})
