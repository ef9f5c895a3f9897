import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { matchRoute } from '../../../src/rest/route/match.ts'
import {
  unescapeMulti,
  unescapeSegment,
  type UnescapeMode,
} from '../../../src/rest/route/unescape.ts'
import { compileTable } from '../../../src/rest/route/compile-table.ts'
import type { RouteNode, RouteTable } from '../../../src/rest/route/table.ts'
import { parseTemplate } from '../../../src/rest/route/template.ts'

interface Case {
  kind: string
  source: string
  note?: string
  templates: string[]
  method: string
  path: string
  expect: unknown
  input: string
  mode: UnescapeMode
}

const file: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../cases.json', import.meta.url), 'utf8'),
)
const recorded = (kind: string) => file.cases.filter((each) => each.kind === kind)

/** Compiles routes written as 'METHOD template'; the target is the route itself. */
function table(...routes: string[]) {
  return compileTable(
    routes.map((route) => {
      const [httpMethod = '', source = ''] = route.split(' ')
      const template = parseTemplate(source)
      return { httpMethod, template, target: { route, template }, label: route }
    }),
  )
}

type Table = ReturnType<typeof table>

/** The answer in one line: 'template name=value …', '405 Allow', '404' or '400'. */
function ask(routes: Table, request: string, mode?: UnescapeMode): string {
  const [method = '', path = ''] = request.split(' ')
  const result = matchRoute(routes, method, path, mode)
  if (result.kind === 'none') return '404'
  if (result.kind === 'malformed') return '400'
  if (result.kind === 'method') return `405 ${result.allow}`
  const { route, template } = result.target
  const values = template.variables.map(({ name }, index) => `${name}=${result.values[index]}`)
  return [route, ...values].join(' ')
}

test('every recorded path leads to the template and values of its source', async (t) => {
  t.equal(recorded('match').length, 47)
  for (const { templates, method, path, expect, source } of recorded('match')) {
    const routes = table(...templates.map((template) => `${method} ${template}`))
    const result = matchRoute(routes, method, path)
    const found =
      result.kind === 'route'
        ? {
            template: result.target.template.source,
            vars: Object.fromEntries(
              result.target.template.variables.map(({ name }, i) => [name, result.values[i]]),
            ),
          }
        : null
    t.strictSame(found, expect, `${path} (${source})`)
  }
})

test('the rows of vanguard answer POST as GET, and 405 for other methods', async (t) => {
  const rows = recorded('match').filter((each) => each.note?.includes('405 for PUT/DELETE'))
  t.equal(rows.length, 8)
  for (const { templates, path, expect } of rows) {
    const routes = table(...templates.flatMap((each) => [`GET ${each}`, `POST ${each}`]))
    t.equal(matchRoute(routes, 'POST', path).kind, expect ? 'route' : 'none', path)
    const refused = expect ? '405 GET, HEAD, OPTIONS, POST' : '404'
    t.equal(ask(routes, `PUT ${path}`), refused, path)
    t.equal(ask(routes, `DELETE ${path}`), refused, path)
  }
})

test('every recorded value of several segments is decoded as its mode says', async (t) => {
  t.equal(recorded('unescape-multi').length, 2)
  for (const { input, mode, expect } of recorded('unescape-multi'))
    t.equal(unescapeMulti(input, mode), expect, mode)
})

test('every recorded status is met', async (t) => {
  t.equal(recorded('status').length, 2)
  for (const { templates, method, path, expect } of recorded('status'))
    t.equal(Number.parseInt(ask(table(...templates), `${method} ${path}`), 10), expect, path)
})

test('a literal comes before * and * before **, segment by segment', async (t) => {
  const routes = table('GET /a/**', 'GET /a/{x}', 'GET /a/b', 'GET /{y}/b', 'GET /a/**/b/c')
  t.equal(ask(routes, 'GET /a/b'), 'GET /a/b')
  t.equal(ask(routes, 'GET /a/c'), 'GET /a/{x} x=c')
  t.equal(ask(routes, 'GET /a'), 'GET /a/**')
  t.equal(ask(routes, 'GET /a/b/c'), 'GET /a/**/b/c')
  t.equal(ask(routes, 'GET /a/c/c'), 'GET /a/**')
  t.equal(ask(routes, 'GET /c/b'), 'GET /{y}/b y=c')
})

test('a branch that fails later gives way to the next best', async (t) => {
  const routes = table('GET /a/b/c', 'GET /a/{x}/d', 'GET /{y=**}/e', 'POST /a/b/{z}')
  t.equal(ask(routes, 'GET /a/b/d'), 'GET /a/{x}/d x=b')
  t.equal(ask(routes, 'GET /a/b/e'), 'GET /{y=**}/e y=a/b')
  t.equal(ask(routes, 'GET /e'), 'GET /{y=**}/e y=')
  t.equal(ask(routes, 'GET /a/b/f'), '405 OPTIONS, POST')
})

test('a template without a binding for the method does not hide one that has', async (t) => {
  const routes = table('GET /users/me', 'DELETE /users/{id}', 'PUT /users/**')
  t.equal(ask(routes, 'DELETE /users/me'), 'DELETE /users/{id} id=me')
  t.equal(ask(routes, 'PUT /users/me'), 'PUT /users/**')
})

test('a method that no matching template has gets the Allow of all of them', async (t) => {
  const routes = table('GET /u/me', 'PATCH /u/{id}', 'DELETE /u/**', 'POST /u/me:go', 'PUT /x')
  t.equal(ask(routes, 'PUT /u/me'), '405 DELETE, GET, HEAD, OPTIONS, PATCH')
  t.equal(ask(routes, 'PUT /u/me:go'), '405 DELETE, OPTIONS, PATCH, POST')
  t.equal(ask(routes, 'GET /x'), '405 OPTIONS, PUT')
  t.equal(ask(routes, 'GET /nowhere'), '404')
})

test('HEAD is answered by GET unless bound', async (t) => {
  const routes = table('GET /a/b', 'HEAD /a/{x}', 'GET /a/{x}', 'POST /p')
  t.equal(ask(routes, 'HEAD /a/b'), 'GET /a/b')
  t.equal(ask(routes, 'HEAD /a/c'), 'HEAD /a/{x} x=c')
  t.equal(ask(routes, 'HEAD /p'), '405 OPTIONS, POST')
})

test('OPTIONS is left to the caller unless bound', async (t) => {
  const routes = table('GET /a', 'OPTIONS /b', 'PUT /b')
  t.equal(ask(routes, 'OPTIONS /a'), '405 GET, HEAD, OPTIONS')
  t.equal(ask(routes, 'OPTIONS /b'), 'OPTIONS /b')
  t.equal(ask(routes, 'GET /b'), '405 OPTIONS, PUT')
  t.equal(ask(routes, 'OPTIONS *'), '404')
})

test('a binding for any method yields to an exact one of the same template only', async (t) => {
  const routes = table('* /a/b', 'PUT /a/b', 'GET /a/{x}')
  t.equal(ask(routes, 'PUT /a/b'), 'PUT /a/b')
  t.equal(ask(routes, 'GET /a/b'), '* /a/b')
  t.equal(ask(routes, 'OPTIONS /a/b'), '* /a/b')
  t.equal(ask(table('* /h', 'GET /h'), 'HEAD /h'), 'GET /h')
})

test('a colon is data unless a registered verb follows it', async (t) => {
  const routes = table('GET /u/{id}', 'POST /u/{id}:ban', 'POST /u/{id}:soft:ban', 'GET /s/{id}')
  t.equal(ask(routes, 'GET /u/a:b:c'), 'GET /u/{id} id=a:b:c')
  t.equal(ask(routes, 'GET /u/:'), 'GET /u/{id} id=:')
  t.equal(ask(routes, 'POST /u/a:b:ban'), 'POST /u/{id}:ban id=a:b')
  t.equal(ask(routes, 'POST /u/a:ban:ban'), 'POST /u/{id}:ban id=a:ban')
  t.equal(ask(routes, 'POST /u/a:soft:ban'), 'POST /u/{id}:soft:ban id=a')
  t.equal(ask(routes, 'POST /u/a%3Aban'), '405 GET, HEAD, OPTIONS')
})

test('a path that ends in a verb is read without it when the verb leads nowhere', async (t) => {
  const routes = table('GET /u/{id}', 'POST /u/{id}:ban', 'GET /s/{id}', 'PUT /s/{id}:b:ban')
  t.equal(ask(routes, 'GET /u/a:ban'), 'GET /u/{id} id=a:ban')
  t.equal(ask(routes, 'GET /s/a:ban'), 'GET /s/{id} id=a:ban')
  t.equal(ask(routes, 'POST /u/a:b:ban'), 'POST /u/{id}:ban id=a:b')
  t.equal(ask(routes, 'POST /u/:ban'), '405 GET, HEAD, OPTIONS')
})

test('* takes no empty segment, ** takes any number of them', async (t) => {
  const routes = table('GET /a/{x}', 'GET /a/{x}/c', 'GET /d/{y=**}', 'GET /{z=**}/end')
  t.equal(ask(routes, 'GET /a/'), '404')
  t.equal(ask(routes, 'GET /a//c'), '404')
  t.equal(ask(routes, 'GET /a/b/'), '404')
  t.equal(ask(routes, 'GET /d'), 'GET /d/{y=**} y=')
  t.equal(ask(routes, 'GET /d/'), 'GET /d/{y=**} y=')
  t.equal(ask(routes, 'GET /d//e/'), 'GET /d/{y=**} y=/e/')
  t.equal(ask(routes, 'GET //end'), 'GET /{z=**}/end z=')
})

test('a trailing slash makes another path', async (t) => {
  const routes = table('GET /a', 'GET /')
  t.equal(ask(routes, 'GET /a'), 'GET /a')
  t.equal(ask(routes, 'GET /a/'), '404')
  t.equal(ask(routes, 'GET /'), 'GET /')
  t.equal(ask(routes, 'GET //'), '404')
  t.equal(ask(routes, 'GET '), '404')
  t.equal(ask(table('GET /**'), 'GET /'), 'GET /**')
})

test('variables around a ** find their segments', async (t) => {
  const routes = table('GET /{a}/{b=x/**/y/z}/w', 'GET /k/{c=**}/{d=m/n}')
  t.equal(ask(routes, 'GET /1/x/y/z/w'), 'GET /{a}/{b=x/**/y/z}/w a=1 b=x/y/z')
  t.equal(ask(routes, 'GET /1/x/2/3/y/z/w'), 'GET /{a}/{b=x/**/y/z}/w a=1 b=x/2/3/y/z')
  t.equal(ask(routes, 'GET /k/m/n'), 'GET /k/{c=**}/{d=m/n} c= d=m/n')
  t.equal(ask(routes, 'GET /k/1/2/m/n'), 'GET /k/{c=**}/{d=m/n} c=1/2 d=m/n')
})

test('the tail of a ** does not overlap what comes before it', async (t) => {
  const routes = table('GET /a/b/**/b/c')
  t.equal(ask(routes, 'GET /a/b/c'), '404')
  t.equal(ask(routes, 'GET /a/b/b/c'), 'GET /a/b/**/b/c')
})

test('one segment is decoded whole and once, a + stays', async (t) => {
  const routes = table('GET /a/{x}', 'GET /caf%C3%A9')
  t.equal(ask(routes, 'GET /a/b%2Fc%2fd'), 'GET /a/{x} x=b/c/d')
  t.equal(ask(routes, 'GET /a/100%25'), 'GET /a/{x} x=100%')
  t.equal(ask(routes, 'GET /a/%252F'), 'GET /a/{x} x=%2F')
  t.equal(ask(routes, 'GET /a/1+1'), 'GET /a/{x} x=1+1')
  t.equal(ask(routes, 'GET /a/%F0%9F%98%80'), 'GET /a/{x} x=😀')
  t.equal(ask(routes, 'GET /%61/%00'), 'GET /a/{x} x=\0')
  t.equal(ask(routes, 'GET /c%61f%c3%a9'), 'GET /caf%C3%A9')
})

test('unescaped bytes, which Node gives as Latin-1, are read as UTF-8', async (t) => {
  const wire = Buffer.from('/a/é%C3%A9').toString('latin1')
  t.equal(ask(table('GET /a/{x}'), `GET ${wire}`), 'GET /a/{x} x=éé')
  t.equal(ask(table('GET /a/{x}'), 'GET /a/é'), '400')
  t.equal(ask(table('GET /a/{x}'), 'GET /a/€'), '400')
})

test('a value of several segments keeps what its mode does not decode, as written', async (t) => {
  const routes = table('GET /a/{x=**}')
  const request = 'GET /a/b%2Fc%2fd/e%3F%20%25'
  t.equal(ask(routes, request), 'GET /a/{x=**} x=b%2Fc%2fd/e? %')
  t.equal(ask(routes, request, 'all-except-reserved'), 'GET /a/{x=**} x=b%2Fc%2fd/e%3F %')
  t.equal(ask(routes, request, 'all'), 'GET /a/{x=**} x=b/c/d/e? %')
})

test('a segment that cannot be decoded is malformed where a wildcard would take it', async (t) => {
  const routes = table('GET /a/{x}', 'GET /b/c', 'GET /d/**/e', 'POST /f/*', 'GET /g/{x}:go')
  const broken = ['%', '%2', '%zz', '%2g', '%FF', '%C3', '%C3%28', '%ED%A0%80', '%C0%AF', 'a%%20']
  for (const segment of broken) {
    t.equal(ask(routes, `GET /a/${segment}`), '400', segment)
    t.equal(ask(routes, `GET /d/x/${segment}/e`), '400', segment)
    t.equal(ask(routes, `GET /f/${segment}`), '400', segment)
    t.equal(ask(routes, `GET /g/${segment}:go`), '400', segment)
    t.equal(ask(routes, `GET /b/${segment}`), '404', segment)
    t.equal(ask(routes, `GET /d/${segment}`), '404', segment)
    t.equal(unescapeSegment(segment), undefined, segment)
    t.equal(unescapeMulti(segment, 'all-except-slash'), undefined, segment)
  }
})

test('a verb is compared as written, so its bytes need not be UTF-8', async (t) => {
  const routes = table('GET /a/{x}:v%ab')
  t.equal(ask(routes, 'GET /a/b:v%ab'), 'GET /a/{x}:v%ab x=b')
  t.equal(ask(routes, 'GET /a/b:%76%ab'), '404')
})

test('names that objects inherit are ordinary segments and methods', async (t) => {
  const routes = table('GET /__proto__', 'GET /a/{x}')
  t.equal(ask(routes, 'GET /__proto__'), 'GET /__proto__')
  t.equal(ask(routes, 'GET /constructor'), '404')
  t.equal(ask(routes, 'GET /a/b:toString'), 'GET /a/{x} x=b:toString')
  t.equal(ask(routes, 'constructor /a/b'), '405 GET, HEAD, OPTIONS')
})

class CountingMap<V> extends Map<string, V> {
  static lookups = 0
  override get(key: string): V | undefined {
    CountingMap.lookups += 1
    return super.get(key)
  }
}

function counting<T>({ literals, single, deep, bindings }: RouteNode<T>): RouteNode<T> {
  return {
    literals: new CountingMap([...literals].map(([key, child]) => [key, counting(child)])),
    single: single && counting(single),
    deep: deep && counting(deep),
    bindings: new CountingMap(bindings),
  }
}

/** How many times the matcher consults the trie for a request. */
function lookups<T>(routes: RouteTable<T>, method: string, path: string): number {
  const counted = { ...routes, root: counting(routes.root) }
  CountingMap.lookups = 0
  matchRoute(counted, method, path)
  return CountingMap.lookups
}

/** Such as /a////x. */
const slashed = (slashes: number, end: string) => `/a/${'/'.repeat(slashes)}/${end}`

test('64,000 slashes match, and consult the trie no more than 64 do', async (t) => {
  const routes = table('GET /a/**/x', 'GET /a/{y=**}/z', 'GET /a/*/*/*')
  t.equal(ask(routes, `GET ${slashed(64_000, 'x')}`), 'GET /a/**/x')
  t.equal(ask(routes, `GET ${slashed(64_000, 'y')}`), '404')
  t.equal(ask(routes, `PUT ${slashed(64_000, 'x')}`), '405 GET, HEAD, OPTIONS')
  t.match(matchRoute(routes, 'GET', slashed(64_000, 'z')), { values: ['/'.repeat(64_000)] })
  for (const end of ['x', 'y', 'z'])
    t.equal(
      lookups(routes, 'GET', slashed(64_000, end)),
      lookups(routes, 'GET', slashed(64, end)),
      end,
    )
})

test('the time for long paths grows with their length, not with its square', async (t) => {
  const routes = table('GET /a/{x=**}/x', 'GET /{y=**}:v', 'GET /b/{z}')
  const shapes = ['/', '%2F', ':v', '%', '/%zz', 'é']
  const fastest = (path: string) => {
    const times = Array.from({ length: 7 }, () => {
      // Processor time: on a busy machine the clock measures the others.
      const start = process.cpuUsage()
      matchRoute(routes, 'GET', path)
      const { user, system } = process.cpuUsage(start)
      return (user + system) / 1000
    })
    return Math.min(...times)
  }
  for (const shape of shapes) {
    const [short, long] = [4000, 64_000].map((count) => fastest(`/a/${shape.repeat(count)}/x:v`))
    // 16 times the length: linear code takes 16 times as long, quadratic code 256 times.
    t.ok((long ?? 0) < 100 * Math.max(short ?? 0, 0.05), `${shape}: ${short} ms, ${long} ms`)
  }
})

test('backtracking visits no node twice, whatever the siblings', async (t) => {
  // A literal and a wildcard at each of 9 levels: 512 templates, and none ends as the path does.
  const sources = Array.from({ length: 512 }, (_, bits) =>
    Array.from({ length: 9 }, (_, bit) => (bits & (1 << bit) ? '/a' : '/*')).join(''),
  )
  const routes = table(...sources.map((source) => `GET ${source}/x`))
  const nodes = 2 ** 10 + 512
  t.equal(ask(routes, `GET ${'/a'.repeat(9)}/y`), '404')
  t.ok(lookups(routes, 'GET', `${'/a'.repeat(9)}/y`) <= 2 * nodes)
  t.ok(lookups(routes, 'GET', '/a'.repeat(5000)) <= 2 * nodes)
})

test('1,000 templates are told apart with as few lookups as one', async (t) => {
  const sources = Array.from({ length: 1000 }, (_, i) => `GET /v1/r${i}/{id}/items/{item=**}/end`)
  const routes = table(...sources)
  for (const index of [0, 1, 500, 999]) {
    const path = `/v1/r${index}/7/items/a/b/end`
    t.equal(ask(routes, `GET ${path}`), `${sources[index]} id=7 item=a/b`)
    t.equal(lookups(routes, 'GET', path), lookups(table(sources[index] ?? ''), 'GET', path))
  }
  t.equal(ask(routes, 'GET /v1/r1000/7/items/end'), '404')
})

test('1,000 tails after ** are told apart with as few lookups as one', async (t) => {
  const sources = Array.from({ length: 1000 }, (_, i) => `GET /{x=**}/t${i}`)
  t.equal(ask(table(...sources), 'GET /a/b/t999'), 'GET /{x=**}/t999 x=a/b')
  t.equal(
    lookups(table(...sources), 'GET', '/a/b/t999'),
    lookups(table('GET /{x=**}/t999'), 'GET', '/a/b/t999'),
  )
})
